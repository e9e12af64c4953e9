import { describeFailure, type Clock, type EventSink } from "@molecule-ai/core";

/** Takes one step back. Resolves to what was undone, or undefined when there was nothing to undo. */
export type UndoStep = (signal: AbortSignal) => Promise<string | undefined>;

/** The steps that lead back to where a start began, last one first. */
export interface UndoStack {
  /** Registers a step; call it before the work it undoes, because that work may fail half done. */
  push(step: UndoStep): void;
  /**
   * Goes back all the way, also past steps that fail; each gets retries while the engine is away.
   * What could not be undone becomes a warning: the failure that led here is the one to report.
   */
  run(): Promise<void>;
}

export interface UndoOptions {
  readonly clock: Clock;
  readonly onEvent?: EventSink | undefined;
  /** Longest time for all steps together. */
  readonly timeoutMs: number;
}

export function createUndoStack(options: UndoOptions): UndoStack {
  const steps: UndoStep[] = [];
  return {
    push: (step) => void steps.push(step),
    async run() {
      // Its own limit: the caller's signal is often the very reason for going back.
      const signal = AbortSignal.timeout(options.timeoutMs);
      for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
        try {
          const what = await withRetries(step, options.clock, signal);
          if (what !== undefined) options.onEvent?.({ type: "undone", what });
        } catch (error) {
          options.onEvent?.({
            type: "warning",
            code: "WARN_WORKSPACE_UNDO_INCOMPLETE",
            message: `Something could not be taken back: ${describeFailure(error).message}`,
            hint: "A later sweep removes what has no owner.",
          });
        }
      }
    },
  };
}

async function withRetries(
  step: UndoStep,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (let pauseMs = 100; ; pauseMs = Math.min(pauseMs * 2, 2000)) {
    try {
      return await step(signal);
    } catch (error) {
      if (signal.aborted || !describeFailure(error).retryable) throw error;
      await clock.sleep(pauseMs, signal);
    }
  }
}
