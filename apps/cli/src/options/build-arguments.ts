import { CliError } from "../errors.js";
import type { Environment } from "../config.js";
import { invalidOption } from "./invalid-option.js";

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** `--build-arg NAME=value`, or `NAME` taken from this environment. The value is never shown. */
export function parseBuildArguments(
  texts: readonly string[],
  env: Environment,
): Readonly<Record<string, string>> {
  const found = new Map<string, string>();
  for (const text of texts) {
    const equals = text.indexOf("=");
    const name = equals === -1 ? text : text.slice(0, equals);
    if (!NAME.test(name)) {
      throw invalidOption("--build-arg", name, "Give NAME=value, or NAME to take it from here.");
    }
    const value = equals === -1 ? env[name] : text.slice(equals + 1);
    if (value === undefined) {
      throw new CliError("ERR_CLI_OPTION_INVALID", `--build-arg: ${name} is not set here`, {
        hint: `Export ${name}, or give --build-arg ${name}=value.`,
      });
    }
    found.set(name, value);
  }
  return Object.fromEntries(found);
}
