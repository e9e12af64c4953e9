import type { Clock } from "./clock.js";
import { isProvisionerError, ProvisionerError } from "./errors.js";
import type { EventSink, Stage } from "./events.js";

export interface StageRun<T> {
  readonly stage: Stage;
  /** What the stage works on, safe to print. */
  readonly subject: string;
  readonly clock: Clock;
  readonly onEvent?: EventSink | undefined;
  /** Names how the stage ended, from its result. */
  readonly outcome: (result: T) => string;
}

/**
 * Runs `work` as one stage: `stage.started`, then `stage.finished` with its duration, or
 * `stage.failed` with the error, which is rethrown unchanged.
 */
export async function runStage<T>(run: StageRun<T>, work: () => Promise<T>): Promise<T> {
  const startedAt = run.clock.monotonic();
  const durationMs = (): number => Math.round((run.clock.monotonic() - startedAt) * 10) / 10;
  run.onEvent?.({ type: "stage.started", stage: run.stage, subject: run.subject });
  try {
    const result = await work();
    run.onEvent?.({
      type: "stage.finished",
      stage: run.stage,
      outcome: run.outcome(result),
      durationMs: durationMs(),
    });
    return result;
  } catch (error) {
    run.onEvent?.({
      type: "stage.failed",
      stage: run.stage,
      durationMs: durationMs(),
      error: describeFailure(error).toJSON(),
    });
    throw error;
  }
}

/**
 * Any thrown value as a {@link ProvisionerError}: ours unchanged, an abort as `ERR_ABORTED`, the
 * rest as `ERR_INTERNAL` with the original as its cause.
 */
export function describeFailure(error: unknown): ProvisionerError {
  if (isProvisionerError(error)) return error;
  if (error instanceof Error && error.name === "AbortError") {
    return new ProvisionerError("ERR_ABORTED", "The operation was cancelled.", { cause: error });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new ProvisionerError("ERR_INTERNAL", `Unexpected failure: ${message}`, {
    hint: "This is a defect: please report it with the output of the same command and --json.",
    cause: error,
  });
}
