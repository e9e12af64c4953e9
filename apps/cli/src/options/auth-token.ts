import { CliError } from "../errors.js";
import { readNamedFile } from "./text-file.js";

/** `--auth-token-file`: one line, at most 8 KiB. */
export async function readAuthToken(path: string, cwd: string): Promise<string> {
  const content = await readNamedFile({
    option: "--auth-token-file",
    path,
    cwd,
    maxBytes: 8 * 1024,
  });
  const token = content.toString("utf8").trim();
  if (token !== "" && !/\s/.test(token)) return token;
  throw new CliError(
    "ERR_CLI_OPTION_INVALID",
    `--auth-token-file: ${path} does not hold one token`,
    {
      hint: "The file has one line: the token.",
    },
  );
}
