import { Option, type Command, type CommandUnknownOpts } from "@commander-js/extra-typings";
import type { CommandResult } from "../output/reporter.js";
import type { ServerChoice } from "../remote/server-address.js";
import type { CommandContext } from "../run-command.js";

/** Runs the command that was asked for; its module is loaded by `body`. */
export type RunCommand = (
  name: string,
  options: { readonly json?: boolean | undefined } & ServerChoice,
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

/** Where the workspaces are; understood before and behind the name of every command. */
export const SERVER_OPTIONS: readonly (readonly [flags: string, description: string])[] = [
  ["--server <url>", "ask this server instead of this machine's engine (default: MOLECULE_URL)"],
  ["--token-file <path>", "file with the token for the server (default: what login stored)"],
  ["--local", "use this machine's engine, whatever MOLECULE_URL says"],
];

/** Adds {@link SERVER_OPTIONS} to the program, and, out of sight of its help, to every command. */
export function addServerOptions(program: Program): void {
  const commands = commandsBelow(program);
  for (const [flags, description] of SERVER_OPTIONS) {
    program.addOption(new Option(flags, description));
    for (const command of commands) command.addOption(new Option(flags, description).hideHelp());
  }
}

/** Those that do something; not the words that only group others. */
function commandsBelow(parent: CommandUnknownOpts): CommandUnknownOpts[] {
  return parent.commands.flatMap((command) =>
    command.commands.length === 0 ? [command] : commandsBelow(command),
  );
}
