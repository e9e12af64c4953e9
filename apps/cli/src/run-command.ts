import { createRedactor, systemClock, type Clock, type Redactor } from "@molecule-ai/core";
import { parseSettings, type HostFacts, type Settings, type TerminalTraits } from "./config.js";
import { CliError } from "./errors.js";
import { EXIT } from "./exit-codes.js";
import { describeFailedCommand } from "./failure.js";
import { listenForInterrupts } from "./interrupt.js";
import { createHumanReporter } from "./output/human-reporter.js";
import { createJsonReporter } from "./output/json-reporter.js";
import { createLiveProgress, createPlainProgress } from "./output/progress.js";
import type { CliEvent, CommandResult, Reporter } from "./output/reporter.js";
import { createStyle } from "./output/style.js";
import type { ServerChoice } from "./remote/server-address.js";
import type { ProcessWriters } from "./writers.js";

/** What a command gets to work with. */
export interface CommandContext {
  readonly settings: Settings;
  /** What the command line says of a server; see `openFleet`. */
  readonly choice: ServerChoice;
  readonly terminal: TerminalTraits;
  /** True when the reader is a machine. */
  readonly json: boolean;
  /** Aborted by Ctrl-C, with `ERR_CLI_INTERRUPTED` as its reason. */
  readonly signal: AbortSignal;
  /** Aborted when nobody reads stdout any more. */
  readonly outputClosed: AbortSignal;
  readonly onEvent: (event: CliEvent) => void;
  /** What a workspace's process wrote, as it came. */
  readonly writeBytes: (stream: "stdout" | "stderr", bytes: Uint8Array) => void;
  /** Secrets of this run; everything shown goes through it. */
  readonly redactor: Redactor;
  readonly clock: Clock;
}

export interface CommandRun {
  readonly name: string;
  readonly json: boolean;
  readonly choice: ServerChoice;
  readonly facts: HostFacts;
  readonly terminal: TerminalTraits;
  readonly writers: ProcessWriters;
  readonly body: (context: CommandContext) => Promise<CommandResult>;
}

/** Newest build output kept for the case of a failure. */
const KEPT_BUILD_LINES = 20;

/** Runs one command from its first event to its last line, and says what to exit with. */
export async function runCommand(run: CommandRun): Promise<number> {
  const redactor = createRedactor();
  const reporter = createReporter(run, redactor);
  const undone: string[] = [];
  let buildLines: string[] = [];
  const onEvent = (event: CliEvent): void => {
    if (event.type === "undone") undone.push(event.what);
    if (event.type === "stage.started") buildLines = [];
    if (event.type === "build.log") {
      buildLines.push(event.line);
      if (buildLines.length > KEPT_BUILD_LINES) buildLines.shift();
    }
    reporter.onEvent(event);
  };
  using interrupt = listenForInterrupts((signalName) => {
    reporter.note(`${signalName}: stopping and cleaning up; once more to leave at once`);
  });
  try {
    const result = await run.body({
      settings: parseSettings(run.facts),
      choice: run.choice,
      terminal: run.terminal,
      json: run.json,
      signal: interrupt.signal,
      outputClosed: run.writers.outputClosed,
      onEvent,
      writeBytes: run.writers.bytes,
      redactor,
      clock: systemClock,
    });
    reporter.endWithResult(run.name, result);
    return result.exitCode ?? EXIT.ok;
  } catch (thrown) {
    const report = describeFailedCommand(interruption(thrown, interrupt.signal), {
      undone,
      buildLines,
      redact: (text) => redactor.redact(text),
    });
    reporter.endWithFailure(run.name, report);
    return report.exitCode;
  }
}

/** After an interrupt every failure is its consequence; one of the clean-up itself stays as the cause. */
function interruption(thrown: unknown, signal: AbortSignal): unknown {
  if (!signal.aborted || thrown === signal.reason) return thrown;
  return new CliError("ERR_CLI_INTERRUPTED", (signal.reason as Error).message, { cause: thrown });
}

/** The reporter the reader of this run wants. */
export function createReporter(
  run: Pick<CommandRun, "json" | "terminal" | "writers">,
  redactor: Redactor,
): Reporter {
  const { terminal, writers } = run;
  const redact = (text: string): string => redactor.redact(text);
  if (run.json) return createJsonReporter({ write: writers.stdout, redact });
  const errStyle = createStyle(terminal.stderr.colour);
  const options = {
    write: (text: string) => {
      writers.stderr(text);
    },
    style: errStyle,
    now: () => systemClock.monotonic(),
    unicode: terminal.unicode,
    redact,
  };
  return createHumanReporter({
    writers,
    progress:
      terminal.stderr.isTerminal && terminal.cursor
        ? createLiveProgress({ ...options, columns: terminal.columns, every })
        : createPlainProgress(options),
    outStyle: createStyle(terminal.stdout.colour),
    errStyle,
    redact,
  });
}

function every(ms: number, callback: () => void): () => void {
  const timer = setInterval(callback, ms);
  // The spinner is no reason to stay alive.
  timer.unref();
  return () => {
    clearInterval(timer);
  };
}
