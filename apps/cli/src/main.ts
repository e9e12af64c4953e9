import { createRedactor } from "@molecule-ai/core";
import type { CommandUnknownOpts } from "@commander-js/extra-typings";
import { CommanderError } from "commander";
import { readHostFacts, terminalTraits, type HostFacts } from "./config.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { describeFailedCommand } from "./failure.js";
import { createProgram } from "./program.js";
import { createReporter, runCommand } from "./run-command.js";
import { openWriters } from "./writers.js";

/** The whole program: reads the process, runs one command, sets the exit code. */
export async function main(): Promise<void> {
  const facts = readHostFacts();
  const writers = openWriters();
  process.once("beforeExit", () => {
    // Nothing is left that could settle what is awaited: a defect, and not to pass for success.
    writers.stderr("error: the program stopped before it was done; please report this\n");
    process.exit(EXIT.failed);
  });
  const code = await runProgram(facts, writers);
  await writers.flush();
  // Not only exitCode: a stdin that is still open would keep the process.
  process.exit(code);
}

async function runProgram(
  facts: HostFacts,
  writers: ReturnType<typeof openWriters>,
): Promise<number> {
  const terminal = terminalTraits(facts);
  let code: number = EXIT.ok;
  const program = createProgram({
    writers,
    colour: terminal.stdout.colour,
    async run(name, { json = false, ...choice }, body) {
      code = await runCommand({ name, json, choice, facts, terminal, writers, body });
    },
  });
  try {
    await program.parseAsync(facts.argv, { from: "user" });
    return code;
  } catch (thrown) {
    if (thrown instanceof CommanderError && thrown.exitCode === 0) return EXIT.ok;
    if (thrown instanceof CommanderError && thrown.code === "commander.help") {
      writers.stderr(commandOf(program, facts.argv).helpInformation());
      return EXIT.usage;
    }
    const json = wantsJson(facts.argv);
    const report = describeFailedCommand(asUsageError(thrown), {
      undone: [],
      buildLines: [],
      redact: (text) => text,
    });
    createReporter({ json, terminal, writers }, createRedactor()).endWithFailure(
      facts.argv[0] ?? "",
      report,
    );
    return report.exitCode;
  }
}

/** The command, or the group of commands, that these words lead to. */
function commandOf(program: CommandUnknownOpts, argv: readonly string[]): CommandUnknownOpts {
  let found = program;
  for (const word of argv) {
    found = found.commands.find((command) => command.name() === word) ?? found;
  }
  return found;
}

/** A command line that was not understood may still have asked for JSON. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf("--");
  return (end === -1 ? argv : argv.slice(0, end)).includes("--json");
}

function asUsageError(thrown: unknown): unknown {
  if (!(thrown instanceof CommanderError)) return thrown;
  const [message = "", ...suggestion] = thrown.message.replace(/^error: /, "").split("\n");
  return new CliError("ERR_CLI_USAGE", message, {
    hint:
      suggestion.length > 0
        ? suggestion.join(" ").replace(/^\(|\)$/g, "")
        : "--help shows the options of every command.",
  });
}
