import { readNamedFile } from "../options/text-file.js";
import type { CommandContext } from "../run-command.js";
import type { ServerAddress } from "./server-address.js";
import { openStoredTokens } from "./stored-tokens.js";
import { parseToken } from "./token.js";

const MAX_TOKEN_FILE_BYTES = 8 * 1024;

/**
 * The token for a server: of `--token-file`, then of the file MOLECULE_TOKEN_FILE names, then what
 * `login` stored for its origin. Undefined when there is none. It is registered with the redactor.
 */
export async function readServerToken(
  context: Pick<CommandContext, "settings" | "choice" | "redactor">,
  address: ServerAddress,
): Promise<string | undefined> {
  const { settings, choice } = context;
  const named =
    choice.tokenFile === undefined
      ? settings.tokenFile === undefined
        ? undefined
        : { option: "MOLECULE_TOKEN_FILE", path: settings.tokenFile }
      : { option: "--token-file", path: choice.tokenFile };
  let token: string | undefined;
  if (named === undefined) {
    const stored = openStoredTokens(settings.configDirectory);
    const found = await stored.find(address.origin);
    token = found === undefined ? undefined : parseToken(stored.path, found);
  } else {
    const content = await readNamedFile({
      ...named,
      cwd: settings.cwd,
      maxBytes: MAX_TOKEN_FILE_BYTES,
    });
    token = parseToken(named.option, content.toString("utf8"));
  }
  if (token !== undefined) context.redactor.add(token);
  return token;
}
