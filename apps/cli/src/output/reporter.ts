import type { ErrorRecord, ProvisionEvent } from "@molecule-ai/core";
import type { CleanupEvent, PublishEvent } from "@molecule-ai/image-build";
import type { ExitCode } from "../exit-codes.js";
import type { Style } from "./style.js";

/** A line of what a workspace's process wrote, without its end; invalid UTF-8 is replaced. */
export interface OutputEvent {
  readonly type: "output";
  readonly stream: "stdout" | "stderr";
  readonly text: string;
}

/** All that `--json` can print before the last line. */
export type CliEvent = ProvisionEvent | OutputEvent | PublishEvent | CleanupEvent;

/** What a command hands back; it prints nothing of this itself. */
export interface CommandResult {
  /** Members of the `result` line of `--json`: plain JSON. */
  readonly data: object;
  /** The same for people, without a last newline; empty for nothing. */
  readonly text: (style: Style) => string;
  /** When it is not 0 though nothing failed: `exec` passes on its process's. */
  readonly exitCode?: number | undefined;
}

/** A failed command, redacted and ready to be shown. */
export interface FailureReport {
  readonly error: ErrorRecord;
  readonly exitCode: ExitCode;
  /** Messages of the errors behind it, nearest first. */
  readonly causes: readonly string[];
  /** What the tools of a build step said was wrong, `file:line: message`; in `error.details` as data. */
  readonly findings: readonly string[];
  /** Last output of what failed: a build step, or the workspace's process. */
  readonly lastLines: readonly string[];
  readonly undone: readonly string[];
}

/** Shows one command to its reader. `end…` is called once, last. */
export interface Reporter {
  onEvent(event: CliEvent): void;
  /** Something for people only. */
  note(text: string): void;
  endWithResult(command: string, result: CommandResult): void;
  endWithFailure(command: string, report: FailureReport): void;
}

/** The two streams, as functions. */
export interface Writers {
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}
