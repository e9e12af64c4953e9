/**
 * Does `work` for every item, a few at once. After a failure nothing new begins, the others are
 * aborted, and the failure is thrown when they have stopped.
 */
export async function forEach<T>(
  items: Iterable<T>,
  options: { readonly atOnce: number; readonly signal: AbortSignal | undefined },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failure = new AbortController();
  const { signal: caller } = options;
  const signal = caller === undefined ? failure.signal : AbortSignal.any([caller, failure.signal]);
  const queue = items[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    while (!signal.aborted) {
      const next = queue.next();
      if (next.done === true) return;
      try {
        await work(next.value, signal);
      } catch (error) {
        failure.abort(error);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: options.atOnce }, worker));
  caller?.throwIfAborted();
  failure.signal.throwIfAborted();
}
