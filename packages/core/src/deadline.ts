import { ProvisionerError } from "./errors.js";

/** A stage ran out of time; the CLI ends with exit code 124. */
export class DeadlineError extends ProvisionerError<"ERR_DEADLINE"> {
  constructor(what: string, timeoutMs: number, kind: "idle" | "total" = "idle") {
    const verdict = kind === "idle" ? "made no progress for" : "took longer than";
    super("ERR_DEADLINE", `${what} ${verdict} ${formatSeconds(timeoutMs)}`, {
      hint: "Run it again, or allow it more time with the timeout option of that stage.",
      retryable: true,
      details: { what, timeoutMs },
    });
  }
}

export interface DeadlineOptions {
  /** What is being waited for; becomes the subject of the error message. */
  readonly what: string;
  /** Longest time without progress, in milliseconds. */
  readonly timeoutMs: number;
  /** Only words the error: a `total` limit is one that nobody pushes back. Default `idle`. */
  readonly kind?: "idle" | "total" | undefined;
  /** The caller's own signal; its abort wins and keeps its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * A time limit that progress pushes back.
 *
 * `signal` aborts with a {@link DeadlineError} once `timeoutMs` pass without `progress()`, or with
 * the caller's reason when the caller aborts. Dispose it to stop the timer.
 */
export interface Deadline extends Disposable {
  readonly signal: AbortSignal;
  /** Something happened: the full time starts again. */
  progress(): void;
}

export function createDeadline(options: DeadlineOptions): Deadline {
  const controller = new AbortController();
  const timer = setTimeout(() => {
    controller.abort(new DeadlineError(options.what, options.timeoutMs, options.kind));
  }, options.timeoutMs);
  const onAbort = (): void => {
    clearTimeout(timer);
    controller.abort(options.signal?.reason);
  };
  if (options.signal?.aborted === true) onAbort();
  else options.signal?.addEventListener("abort", onAbort, { once: true });
  return {
    signal: controller.signal,
    progress() {
      if (!controller.signal.aborted) timer.refresh();
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      options.signal?.removeEventListener("abort", onAbort);
    },
  };
}

function formatSeconds(ms: number): string {
  return ms < 1000 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
}
