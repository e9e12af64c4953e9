import pLimit, { type LimitFunction } from "p-limit";

/** A place in which one build may run; disposing gives it back. */
export interface BuildPlace extends Disposable {
  /** It was not free at once. */
  readonly waited: boolean;
}

/** Lets at most so many builds run at once on each builder, in the order in which they came. */
export interface BuildQueue {
  /**
   * Resolves when there is a place; `onWait` is called when there is none yet. Rejects with
   * `signal.reason` on abort, and the place goes to the next.
   */
  enter(
    builder: string,
    options: { readonly signal: AbortSignal; readonly onWait: () => void },
  ): Promise<BuildPlace>;
}

export function createBuildQueue(concurrency: number): BuildQueue {
  const limits = new Map<string, LimitFunction>();

  return {
    async enter(builder, { signal, onWait }) {
      signal.throwIfAborted();
      const limit = limits.get(builder) ?? pLimit(concurrency);
      limits.set(builder, limit);
      return new Promise((resolve, reject) => {
        const onAbort = (): void => reject(signal.reason as Error);
        signal.addEventListener("abort", onAbort, { once: true });
        const waited = limit.activeCount + limit.pendingCount >= concurrency;
        void limit(
          () =>
            new Promise<void>((leave) => {
              signal.removeEventListener("abort", onAbort);
              if (signal.aborted) leave();
              else resolve({ waited, [Symbol.dispose]: leave });
            }),
        );
        if (waited) onWait();
      });
    },
  };
}
