import { CliError } from "../errors.js";

/**
 * Refuses the first option that was given and that a server has no way to honour: an option that is
 * silently ignored would be believed.
 */
export function refuseOptions(
  origin: string,
  given: Readonly<Record<string, unknown>>,
  hints: Readonly<Record<string, string>> = {},
): void {
  for (const [flag, value] of Object.entries(given)) {
    if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) {
      continue;
    }
    throw new CliError("ERR_CLI_NOT_REMOTE", `${flag} does not work through a server`, {
      hint: hints[flag] ?? "Leave it out, or run the command on the machine itself with --local.",
      details: { option: flag, server: origin },
    });
  }
}
