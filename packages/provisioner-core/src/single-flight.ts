/**
 * Lets callers for the same key share one piece of work. Each may leave by its own signal; the work
 * is aborted when the last of them has left.
 */
export interface SingleFlight<T> {
  /** `onJoin` is called when the work was under way already. */
  run(
    key: string,
    work: (signal: AbortSignal) => Promise<T>,
    options?: {
      readonly signal?: AbortSignal | undefined;
      readonly onJoin?: (() => void) | undefined;
    },
  ): Promise<T>;
}

interface Flight<T> {
  readonly result: Promise<T>;
  readonly controller: AbortController;
  callers: number;
}

export function createSingleFlight<T>(): SingleFlight<T> {
  const flights = new Map<string, Flight<T>>();

  const depart = (key: string, work: (signal: AbortSignal) => Promise<T>): Flight<T> => {
    const controller = new AbortController();
    const result = work(controller.signal).finally(() => {
      if (flights.get(key) === flight) flights.delete(key);
    });
    // Callers may all have left by the time it fails.
    result.catch(() => undefined);
    const flight: Flight<T> = { result, controller, callers: 0 };
    flights.set(key, flight);
    return flight;
  };

  return {
    async run(key, work, { signal, onJoin } = {}) {
      signal?.throwIfAborted();
      const underWay = flights.get(key);
      if (underWay !== undefined) onJoin?.();
      const flight = underWay ?? depart(key, work);
      flight.callers += 1;
      try {
        return await raceAbort(flight.result, signal);
      } finally {
        flight.callers -= 1;
        if (flight.callers === 0 && signal?.aborted === true) {
          if (flights.get(key) === flight) flights.delete(key);
          flight.controller.abort(signal.reason);
          // Aborted means stopped: the last one to leave waits for the end of the work.
          await flight.result.catch(() => undefined);
        }
      }
    },
  };
}

async function raceAbort<T>(result: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return result;
  let onAbort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason as Error);
    signal.addEventListener("abort", onAbort, { once: true });
  });
  try {
    return await Promise.race([result, aborted]);
  } finally {
    if (onAbort !== undefined) signal.removeEventListener("abort", onAbort);
  }
}
