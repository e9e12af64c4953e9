import type { EventSink, ProvisionEvent, StageStarted } from "./events.js";

/** What shared work is given: an abort that comes when nobody waits any more, and everybody's sink. */
export interface WorkContext {
  readonly signal: AbortSignal;
  readonly onEvent: EventSink;
}

/** One caller of shared work. */
export interface SharedWorkOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onEvent?: EventSink | undefined;
  /** Named in the `joined` event. */
  readonly subject: string;
}

interface Flight<T> {
  readonly controller: AbortController;
  readonly listeners: Set<EventSink>;
  waiting: number;
  stage: StageStarted | undefined;
  readonly promise: Promise<T>;
}

/**
 * Work that callers with the same key share: one run, one result, all events to every caller. A
 * caller that aborts leaves; the work is aborted when the last one has left, and the last one waits
 * until it has stopped. After disposal `run` rejects with an `AbortError`, as running work does.
 */
export class SharedWork<T> implements AsyncDisposable {
  readonly #flights = new Map<string, Flight<T>>();
  readonly #running = new Set<Promise<unknown>>();
  #closed = false;

  async run(
    key: string,
    options: SharedWorkOptions,
    work: (context: WorkContext) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw closed();
    options.signal?.throwIfAborted();
    const existing = this.#flights.get(key);
    const flight = existing ?? this.#start(key, work);
    if (options.onEvent !== undefined) {
      if (existing !== undefined) {
        options.onEvent({ type: "joined", subject: options.subject, scope: "process" });
        if (existing.stage !== undefined) options.onEvent(existing.stage);
      }
    }
    return this.#wait(key, flight, options);
  }

  /** Aborts all work and resolves when it has stopped. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    for (const flight of this.#flights.values()) flight.controller.abort(closed());
    await Promise.allSettled(this.#running);
  }

  #start(key: string, work: (context: WorkContext) => Promise<T>): Flight<T> {
    const controller = new AbortController();
    const listeners = new Set<EventSink>();
    const onEvent = (event: ProvisionEvent): void => {
      if (event.type === "stage.started") flight.stage = event;
      else if (event.type === "stage.finished" || event.type === "stage.failed") {
        flight.stage = undefined;
      }
      for (const listener of listeners) listener(event);
    };
    // Started in a microtask: the caller listens before the first event.
    const promise = Promise.resolve().then(() => work({ signal: controller.signal, onEvent }));
    const flight: Flight<T> = { controller, listeners, waiting: 0, stage: undefined, promise };
    this.#flights.set(key, flight);
    const settled = promise.then(
      () => {},
      () => {},
    );
    this.#running.add(settled);
    void settled.then(() => {
      this.#running.delete(settled);
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    });
    return flight;
  }

  async #wait(key: string, flight: Flight<T>, options: SharedWorkOptions): Promise<T> {
    const { signal, onEvent } = options;
    // A set holds a function once: two callers with the same sink are two listeners.
    const listener: EventSink | undefined =
      onEvent &&
      ((event) => {
        onEvent(event);
      });
    if (listener !== undefined) flight.listeners.add(listener);
    flight.waiting += 1;
    let onAbort: (() => void) | undefined;
    try {
      if (signal === undefined) return await flight.promise;
      return await Promise.race([
        flight.promise,
        new Promise<never>((_resolve, reject) => {
          onAbort = () => {
            if (flight.waiting > 1) {
              reject(signal.reason as Error);
              return;
            }
            // The last one: whoever comes now starts anew.
            if (this.#flights.get(key) === flight) this.#flights.delete(key);
            flight.controller.abort(signal.reason);
            flight.promise.then(() => {
              reject(signal.reason as Error);
            }, reject);
          };
          signal.addEventListener("abort", onAbort, { once: true });
        }),
      ]);
    } finally {
      flight.waiting -= 1;
      if (listener !== undefined) flight.listeners.delete(listener);
      if (onAbort !== undefined) signal?.removeEventListener("abort", onAbort);
    }
  }
}

function closed(): DOMException {
  return new DOMException("What does this work was closed.", "AbortError");
}
