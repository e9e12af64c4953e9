import type { BuildSecret, BuildSsh } from "@molecule-ai/image-build";
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Environment } from "../config.js";
import { CliError } from "../errors.js";
import { parseAttributes } from "./attributes.js";
import { invalidOption } from "./invalid-option.js";

const SECRET_HINT =
  "Give id=NAME, id=NAME,env=VARIABLE or id=NAME,src=path; never the secret itself.";

/** `--secret id=…`: from a variable or a file, never from the command line, which all users can read. */
export function parseBuildSecret(
  text: string,
  { env, cwd }: { readonly env: Environment; readonly cwd: string },
): BuildSecret {
  // Before anything of it could be shown: it may hold the secret.
  if (!/^[\w.-]+=/.test(text) || /(?:^|,)(?:value|secret|token|password)=/i.test(text)) {
    throw new CliError(
      "ERR_CLI_SECRET_ON_COMMAND_LINE",
      "--secret does not take a secret from the command line, where every user of this machine can read it",
      { hint: SECRET_HINT },
    );
  }
  const attributes = parseAttributes("--secret", text);
  const id = attributes.get("id");
  const variable = attributes.get("env");
  const path = attributes.get("src") ?? attributes.get("source");
  const known = new Set(["id", "env", "src", "source", "type"]);
  const isUnknown = [...attributes.keys()].some((key) => !known.has(key));
  if (id === undefined || isUnknown || (variable !== undefined && path !== undefined)) {
    throw invalidOption("--secret", text, SECRET_HINT);
  }
  if (path !== undefined) return { id, source: { kind: "file", path: resolve(cwd, path) } };
  const value = env[variable ?? id];
  if (value === undefined) {
    throw new CliError("ERR_CLI_SECRET_MISSING", `--secret: ${variable ?? id} is not set here`, {
      hint: `Export ${variable ?? id}, or give --secret id=${id},src=path.`,
    });
  }
  return { id, source: { kind: "value", value } };
}

/** `--ssh default`, `--ssh id=socket`, `--ssh id=key,key`; without a path the running agent. */
export async function parseBuildSsh(
  text: string,
  { env, cwd }: { readonly env: Environment; readonly cwd: string },
): Promise<BuildSsh> {
  const equals = text.indexOf("=");
  const id = equals === -1 ? text : text.slice(0, equals);
  if (id === "") throw invalidOption("--ssh", text, "Give default, id=socket or id=key,key.");
  if (equals === -1) {
    const agentSocket = env["SSH_AUTH_SOCK"];
    if (agentSocket === undefined || agentSocket === "") {
      throw new CliError("ERR_CLI_OPTION_INVALID", "--ssh: no ssh agent runs here", {
        hint: `Start ssh-agent, or give the key: --ssh ${id}=path.`,
      });
    }
    return { id, agentSocket };
  }
  const paths = text
    .slice(equals + 1)
    .split(",")
    .map((path) => resolve(cwd, path));
  const [first = ""] = paths;
  const isSocket = await stat(first).then(
    (found) => found.isSocket(),
    () => false,
  );
  return isSocket && paths.length === 1 ? { id, agentSocket: first } : { id, keyFiles: paths };
}
