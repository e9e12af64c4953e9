/**
 * Runs `work` for at most `timeoutMs`. When the time is over its signal aborts with `onTimeout()`;
 * when the caller aborts, with the caller's reason. Either is what the returned promise rejects with.
 */
export async function withTimeLimit<T>(
  options: {
    readonly timeoutMs: number;
    readonly signal: AbortSignal | undefined;
    readonly onTimeout: () => Error;
  },
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { signal } = options;
  signal?.throwIfAborted();
  const controller = new AbortController();
  const onAbort = (): void => {
    controller.abort(signal?.reason);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => {
    controller.abort(options.onTimeout());
  }, options.timeoutMs);
  try {
    return await work(controller.signal);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}
