import type { Environment } from "../config.js";
import { CliError } from "../errors.js";
import { ENV_NAME, readEnvFiles } from "./environment.js";
import { readNamedFile } from "./text-file.js";

/** The kernel refuses longer strings at exec, and a secret becomes one. */
const MAX_SECRET_BYTES = 128 * 1024;

/** What `--secret` and `--secret-file` were given. */
export interface SecretsRequest {
  readonly references: readonly string[];
  readonly files: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
}

/**
 * The secrets of a workspace by name: files of `NAME=value` lines first, then `--secret NAME` from
 * this process's environment and `--secret NAME=@path` from a file, without its last newline.
 *
 * A value on the command line is refused: every user of the machine can read it there.
 */
export async function readSecrets(
  request: SecretsRequest,
): Promise<Readonly<Record<string, string>>> {
  const result = await readEnvFiles("--secret-file", request);
  for (const text of request.references) {
    const reference = parseSecretReference(text);
    result.set(reference.name, await readReference(reference, request));
  }
  return Object.fromEntries(result);
}

export type SecretReference =
  | { readonly kind: "environment"; readonly name: string }
  | { readonly kind: "file"; readonly name: string; readonly path: string };

/** `NAME` or `NAME=@path`; the text after `=` never appears in an error. */
export function parseSecretReference(text: string): SecretReference {
  const equals = text.indexOf("=");
  const name = equals === -1 ? text : text.slice(0, equals);
  if (!ENV_NAME.test(name)) {
    throw new CliError("ERR_CLI_OPTION_INVALID", "--secret was not given the name of a variable", {
      hint: "Give --secret NAME or --secret NAME=@path.",
    });
  }
  if (equals === -1) return { kind: "environment", name };
  const path = text.slice(equals + 2);
  if (text[equals + 1] === "@" && path !== "") return { kind: "file", name, path };
  throw new CliError(
    "ERR_CLI_SECRET_ON_COMMAND_LINE",
    `The value of secret ${name} was given on the command line, where every user of this machine can read it`,
    {
      hint: `Export ${name} and give --secret ${name}, or give --secret ${name}=@path to read it from a file. Treat the value you typed as known to others.`,
      details: { name },
    },
  );
}

async function readReference(reference: SecretReference, request: SecretsRequest): Promise<string> {
  if (reference.kind === "file") {
    const content = await readNamedFile({
      option: `--secret ${reference.name}`,
      path: reference.path,
      cwd: request.cwd,
      maxBytes: MAX_SECRET_BYTES,
    });
    return content.toString("utf8").replace(/\r?\n$/, "");
  }
  const value = request.env[reference.name];
  if (value !== undefined && value !== "") return value;
  throw new CliError("ERR_CLI_SECRET_MISSING", `Secret ${reference.name} is not set here`, {
    hint: `Export ${reference.name}, or give --secret ${reference.name}=@path.`,
    details: { name: reference.name },
  });
}
