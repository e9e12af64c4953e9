import { Command, Help } from "@commander-js/extra-typings";
import { addImageCommands } from "./grammar/image-commands.js";
import { addMachineCommands } from "./grammar/machine-commands.js";
import { addServerOptions, type RunCommand } from "./grammar/program-parts.js";
import { addServerCommands } from "./grammar/server-commands.js";
import { addTrustCommands } from "./grammar/trust-commands.js";
import { addInsideCommands, addWorkspaceCommands } from "./grammar/workspace-commands.js";
import type { Writers } from "./output/reporter.js";
import type { ServerChoice } from "./remote/server-address.js";
import { readVersion } from "./version.js";

export const PROGRAM_NAME = "molecule-provisioner";

const AFTER_HELP = `
Examples:
  ${PROGRAM_NAME} up langgraph --name helper --secret OPENAI_API_KEY
  ${PROGRAM_NAME} logs -f helper
  ${PROGRAM_NAME} rm helper

Exit codes: 0 ok, 1 failed, 2 usage, 3 refused by policy, 4 not found, 124 deadline, 130 interrupted.`;

export interface ProgramOptions {
  readonly writers: Writers;
  readonly colour: boolean;
  readonly run: RunCommand;
}

/**
 * The grammar of the command line. Parsing throws `CommanderError` for what it does not know and
 * `CliError` for a bad value; the module of a command is loaded once that command is chosen.
 */
export function createProgram(options: ProgramOptions): Command {
  const program = new Command(PROGRAM_NAME);
  program
    .description("Starts agent workspaces, here or through a server: a runtime name in, a URL out.")
    .version(readVersion(), "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .helpCommand("help [command]", "print help of a command")
    .usage("<command> [options]")
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: options.writers.stdout,
      // Usage errors are thrown, and shown by whoever shows all other errors.
      writeErr: () => undefined,
      getOutHasColors: () => options.colour,
    })
    .configureHelp({
      showGlobalOptions: true,
      // The default of a repeatable option is an empty list, which says nothing.
      optionDescription: (option) =>
        Array.isArray(option.defaultValue)
          ? option.description
          : Help.prototype.optionDescription(option),
    })
    .addHelpText("after", AFTER_HELP);
  let choice: ServerChoice = {};
  program.hook("preAction", (_program, command) => {
    // What stands behind the name of the command wins over what stands before it.
    const { server, tokenFile, local }: ServerChoice = { ...program.opts(), ...command.opts() };
    choice = { server, tokenFile, local };
  });
  const run: RunCommand = (name, given, body) => options.run(name, { ...given, ...choice }, body);
  addWorkspaceCommands(program, run);
  addInsideCommands(program, run);
  addMachineCommands(program, run);
  addImageCommands(program, run);
  addTrustCommands(program, run);
  addServerCommands(program, run);
  addServerOptions(program);
  return program;
}
