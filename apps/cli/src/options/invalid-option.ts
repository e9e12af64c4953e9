import { CliError } from "../errors.js";

/** An option value that is refused: exit code 2. `value` is shown, so it must not be a secret. */
export function invalidOption(option: string, value: string, hint: string): CliError {
  return new CliError("ERR_CLI_OPTION_INVALID", `${option} does not take ${quote(value)}`, {
    hint,
    details: { option },
  });
}

function quote(value: string): string {
  return `"${value.length > 80 ? `${value.slice(0, 80)}…` : value}"`;
}
