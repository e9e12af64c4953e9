import type { Command } from "@commander-js/extra-typings";
import type { CommandResult } from "../output/reporter.js";
import type { CommandContext } from "../run-command.js";

/** Runs the command that was asked for; its module is loaded by `body`. */
export type RunCommand = (
  name: string,
  options: { readonly json?: boolean | undefined },
  body: (context: CommandContext) => Promise<CommandResult>,
) => Promise<void>;

/** The program before it has any options of its own: what every part of the grammar adds to. */
export type Program = Command;

export const JSON_OPTION = [
  "--json",
  "print one JSON event per line, the last one being the result or the error",
] as const;

/** For options that may be given several times. */
export function collect(value: string, previous: readonly string[]): string[] {
  return [...previous, value];
}
