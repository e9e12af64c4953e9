import { EngineError } from "../errors.js";

export interface CallScopeOptions {
  readonly subject: string;
  /** Milliseconds until `ERR_ENGINE_TIMEOUT`; no limit when absent. */
  readonly timeoutMs: number | undefined;
  /** The caller's. */
  readonly signal: AbortSignal | undefined;
  /** Aborts when the client is disposed. */
  readonly closed: AbortSignal;
}

/** Everything that can end one call early, as one signal whose reason is what to throw. */
export interface CallScope extends Disposable {
  readonly signal: AbortSignal;
  /** The time limit starts again: bytes came. */
  progress(): void;
  /** Ends the call with this reason; nothing when it is over. */
  abort(reason: Error): void;
  /** From now on no time limit. */
  unlimit(): void;
  /** Runs once on abort, not after disposal. */
  onAbort(listener: (reason: Error) => void): void;
}

/** Throws the reason when the call is over before it began. */
export function createCallScope(options: CallScopeOptions): CallScope {
  options.signal?.throwIfAborted();
  options.closed.throwIfAborted();
  const controller = new AbortController();
  const listeners: ((reason: Error) => void)[] = [];
  const { timeoutMs, subject } = options;

  let over = false;
  const dispose = (): void => {
    over = true;
    clearTimeout(timer);
    options.signal?.removeEventListener("abort", onCaller);
    options.closed.removeEventListener("abort", onClosed);
    listeners.length = 0;
  };
  const abort = (reason: unknown): void => {
    if (over) return;
    const pending = [...listeners];
    dispose();
    controller.abort(reason);
    for (const listener of pending) listener(reason as Error);
  };
  const onCaller = (): void => {
    abort(options.signal?.reason);
  };
  const onClosed = (): void => {
    abort(options.closed.reason);
  };
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          abort(timeoutError(subject, timeoutMs));
        }, timeoutMs);
  options.signal?.addEventListener("abort", onCaller, { once: true });
  options.closed.addEventListener("abort", onClosed, { once: true });

  return {
    signal: controller.signal,
    progress() {
      if (!over) timer?.refresh();
    },
    abort,
    unlimit() {
      clearTimeout(timer);
    },
    onAbort(listener) {
      listeners.push(listener);
    },
    [Symbol.dispose]: dispose,
  };
}

function timeoutError(subject: string, timeoutMs: number): EngineError {
  return new EngineError(
    "ERR_ENGINE_TIMEOUT",
    `${subject}: no answer of the engine for ${timeoutMs / 1000} s`,
    {
      hint: "The engine may be busy and may still do it: look before you repeat it.",
      retryable: true,
      details: { subject, timeoutMs },
    },
  );
}
