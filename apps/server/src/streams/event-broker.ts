import { and, eq, gt, lte, sql } from "drizzle-orm";
import { toEventView, type EventView } from "../api/event-view.js";
import { ServerError } from "../errors.js";
import type { Logger } from "../logger.js";
import { queryRows } from "../store/database.js";
import type { Store } from "../store/open-store.js";
import { events } from "../store/schema.js";

export interface EventSubscription {
  /** Everything after this event, then what comes; undefined: only what comes. */
  readonly afterId?: number | undefined;
  /** Only what concerns this workspace. */
  readonly workspaceId?: string | undefined;
  /** Ends the subscription; it must be aborted at some time. */
  readonly signal: AbortSignal;
}

/** Tells any number of listeners in this process what happened, each event once and in order. */
export interface EventBroker extends AsyncDisposable {
  /** How many listen now. */
  readonly listeners: number;
  /**
   * Resolves once nothing from now on can be missed. The events end when the signal aborts or the
   * broker is disposed, and fail with `ERR_STREAM_SLOW` for a listener that fell too far behind: what
   * is buffered for it is bounded.
   */
  subscribe(subscription: EventSubscription): Promise<AsyncIterable<EventView>>;
}

export interface EventBrokerOptions {
  readonly store: Store;
  readonly logger: Logger;
  /** Looks at the store this often even when it told nothing. */
  readonly pollMs?: number | undefined;
  /** Events that wait for one listener at most. */
  readonly maxBuffered?: number | undefined;
}

/** Rows of one read. */
const PAGE = 500;

interface Listener {
  readonly workspaceId: string | undefined;
  queue: EventView[];
  state: "listening" | "too slow" | "over";
  wake: (() => void) | undefined;
  /** Lets go of the signal. */
  readonly release: () => void;
}

/**
 * One read of the store serves all listeners, however many and however long the history is. Nothing
 * is read while nobody listens.
 *
 * Ids are in the order of commits (see `recordEvents`), so a listener that has everything up to the
 * broker's position and hears all that the broker reads after it has neither gap nor duplicate.
 */
export async function createEventBroker(options: EventBrokerOptions): Promise<EventBroker> {
  const { store, logger, pollMs = 10_000, maxBuffered = 1000 } = options;
  const all = new Set<Listener>();
  const ofEverything = new Set<Listener>();
  const ofWorkspace = new Map<string, Set<Listener>>();
  /** Everything up to here was handed to the listeners; undefined while nobody listens. */
  let position: number | undefined;
  let reading: Promise<boolean> | undefined;
  let isBehind = false;
  let isOver = false;

  /** True when everything that was written before the call has been handed on. */
  const look = (): Promise<boolean> => {
    isBehind = true;
    reading ??= read();
    return reading;
  };

  const read = async (): Promise<boolean> => {
    let isRead = true;
    try {
      do {
        isBehind = false;
        position ??= await newestId(store);
        const rows = await store.db
          .select()
          .from(events)
          .where(gt(events.id, position))
          .orderBy(events.id)
          .limit(PAGE);
        for (const row of rows) hand(toEventView(row));
        position = rows.at(-1)?.id ?? position;
        if (rows.length === PAGE) isBehind = true;
      } while (isBehind && all.size > 0);
    } catch (error) {
      logger.warn({ err: error }, "events cannot be read; trying again");
      isRead = false;
    }
    // In the same breath as the last look at isBehind, or a notice in between would be lost.
    reading = undefined;
    if (all.size === 0) position = undefined;
    return isRead;
  };

  const hand = (event: EventView): void => {
    for (const listener of ofEverything) push(listener, event);
    if (event.workspace_id === null) return;
    for (const listener of ofWorkspace.get(event.workspace_id) ?? []) push(listener, event);
  };

  const push = (listener: Listener, event: EventView): void => {
    if (listener.queue.length >= maxBuffered) return end(listener, "too slow");
    listener.queue.push(event);
    listener.wake?.();
  };

  const attach = (listener: Listener): void => {
    const { workspaceId } = listener;
    if (workspaceId === undefined) {
      ofEverything.add(listener);
      return;
    }
    const others = ofWorkspace.get(workspaceId);
    if (others === undefined) ofWorkspace.set(workspaceId, new Set([listener]));
    else others.add(listener);
  };

  const end = (listener: Listener, state: "too slow" | "over"): void => {
    if (listener.state === "listening") listener.state = state;
    listener.queue = [];
    listener.release();
    all.delete(listener);
    ofEverything.delete(listener);
    const { workspaceId } = listener;
    if (workspaceId !== undefined) {
      const others = ofWorkspace.get(workspaceId);
      others?.delete(listener);
      if (others?.size === 0) ofWorkspace.delete(workspaceId);
    }
    if (all.size === 0 && reading === undefined) position = undefined;
    listener.wake?.();
  };

  const page = async (
    workspaceId: string | undefined,
    after: number,
    upTo: number,
  ): Promise<EventView[]> => {
    const rows = await store.db
      .select()
      .from(events)
      .where(
        and(
          workspaceId === undefined ? undefined : eq(events.workspaceId, workspaceId),
          gt(events.id, after),
          lte(events.id, upTo),
        ),
      )
      .orderBy(events.id)
      .limit(PAGE);
    return rows.map(toEventView);
  };

  /** From the history, page by page at the listener's own pace, until the present is near. */
  async function* follow(listener: Listener, after: number): AsyncGenerator<EventView> {
    let seen = after;
    try {
      for (let isNear = false; !isNear && listener.state === "listening";) {
        const upTo = position ?? seen;
        isNear = upTo - seen <= PAGE;
        // Before the last page is read: what happens meanwhile waits in the queue.
        if (isNear) attach(listener);
        if (upTo <= seen) continue;
        const found = await page(listener.workspaceId, seen, upTo);
        for (const event of found) {
          if (listener.state !== "listening") break;
          yield event;
        }
        seen = found.length === PAGE ? (found.at(-1)?.id ?? upTo) : upTo;
      }
      for (;;) {
        const batch = listener.queue;
        listener.queue = [];
        for (const event of batch) {
          if (listener.state !== "listening") break;
          yield event;
        }
        if (listener.state === "too slow") throw tooSlow();
        if (listener.state === "over") return;
        if (listener.queue.length > 0) continue;
        await new Promise<void>((resolve) => (listener.wake = resolve));
        listener.wake = undefined;
      }
    } finally {
      end(listener, "over");
    }
  }

  const unsubscribe = await store.notifications.subscribe("molecule_events", () => {
    if (all.size > 0) void look();
  });
  const poll = setInterval(() => {
    if (all.size > 0) void look();
  }, pollMs);
  poll.unref();

  return {
    get listeners() {
      return all.size;
    },
    async subscribe({ afterId, workspaceId, signal }) {
      signal.throwIfAborted();
      if (isOver) throw stopping();
      const onAbort = (): void => end(listener, "over");
      const listener: Listener = {
        workspaceId,
        queue: [],
        state: "listening",
        wake: undefined,
        release: () => signal.removeEventListener("abort", onAbort),
      };
      all.add(listener);
      signal.addEventListener("abort", onAbort);
      try {
        // An id from before is known; one from the future is not waited for.
        const isKnown = afterId !== undefined && position !== undefined && afterId <= position;
        const isRead = isKnown || (await look());
        if (!isRead || position === undefined) throw unavailable();
        return follow(listener, Math.min(afterId ?? position, position));
      } catch (error) {
        end(listener, "over");
        throw error;
      }
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      clearInterval(poll);
      unsubscribe();
      for (const listener of all) end(listener, "over");
      await reading;
    },
  };
}

async function newestId(store: Store): Promise<number> {
  const [row] = await queryRows<{ id: string | number | null }>(
    store.db,
    sql`select max(id) as id from structure_events`,
  );
  return Number(row?.id ?? 0);
}

function tooSlow(): ServerError {
  return new ServerError("ERR_STREAM_SLOW", "The listener did not keep up and was dropped.", {
    hint: "Read faster, and resume after the last event that arrived.",
    retryable: true,
  });
}

function stopping(): ServerError {
  return new ServerError("ERR_STREAM_LIMIT", "The server is stopping.", { retryable: true });
}

function unavailable(): ServerError {
  return new ServerError("ERR_STORE_UNAVAILABLE", "Events cannot be read now.", {
    hint: "Try again in a moment.",
    retryable: true,
  });
}
