import type { Environment } from "../config.js";
import { CliError } from "../errors.js";
import { readNamedFile } from "./text-file.js";

export const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const MAX_ENV_FILE_BYTES = 1024 * 1024;

/** What `--env` and `--env-file` were given. */
export interface EnvironmentRequest {
  readonly assignments: readonly string[];
  readonly files: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
}

/**
 * The workspace's plain environment: files first, in order, then `--env`, later ones winning.
 * `NAME` without a value takes the value from this process and is an error when it has none.
 */
export async function readEnvironment(
  request: EnvironmentRequest,
): Promise<Readonly<Record<string, string>>> {
  const result = await readEnvFiles("--env-file", request);
  for (const assignment of request.assignments) {
    const [name, value] = parseAssignment("--env", assignment, request.env);
    result.set(name, value);
  }
  return Object.fromEntries(result);
}

/** The variables of all files that `option` was given, those of later files winning. */
export async function readEnvFiles(
  option: string,
  request: Pick<EnvironmentRequest, "files" | "env" | "cwd">,
): Promise<Map<string, string>> {
  const result = new Map<string, string>();
  for (const path of request.files) {
    const content = await readNamedFile({
      option,
      path,
      cwd: request.cwd,
      maxBytes: MAX_ENV_FILE_BYTES,
    });
    for (const [name, value] of parseEnvFile(content.toString("utf8"), path, request.env)) {
      result.set(name, value);
    }
  }
  return result;
}

/**
 * Docker's format: `NAME=value` taken literally to the end of the line, `NAME` from this process,
 * blank lines and lines starting with `#` skipped. Without `env`, `NAME` alone is refused.
 */
export function parseEnvFile(
  text: string,
  path: string,
  env: Environment,
): readonly (readonly [string, string])[] {
  const entries: (readonly [string, string])[] = [];
  for (const [index, raw] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const line = raw.replace(/\r$/, "").replace(/^[ \t]+/, "");
    if (line === "" || line.startsWith("#")) continue;
    entries.push(parseAssignment(`${path}, line ${index + 1}`, line, env));
  }
  return entries;
}

/** Splits at the first `=`. The value is never part of an error: it may be a secret in the wrong place. */
function parseAssignment(where: string, text: string, env: Environment): readonly [string, string] {
  const equals = text.indexOf("=");
  const name = equals === -1 ? text : text.slice(0, equals);
  if (!ENV_NAME.test(name)) {
    throw new CliError("ERR_CLI_OPTION_INVALID", `${where}: not the name of a variable`, {
      hint: "Give NAME=value; a name has letters, digits and '_' and does not start with a digit.",
    });
  }
  if (equals !== -1) return [name, text.slice(equals + 1)];
  const value = env[name];
  if (value === undefined) {
    throw new CliError("ERR_CLI_OPTION_INVALID", `${where}: ${name} is not set here`, {
      hint: `Export ${name}, or give ${name}=value.`,
    });
  }
  return [name, value];
}
