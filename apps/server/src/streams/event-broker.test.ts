import { isProvisionerError } from "@molecule-ai/core";
import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EventView } from "../api/event-view.js";
import type { Logger } from "../logger.js";
import { recordEvents } from "../store/events.js";
import type { Store } from "../store/open-store.js";
import { events } from "../store/schema.js";
import { createEventBroker, type EventBroker } from "./event-broker.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

let store: Store;
beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(async () => {
  await store[Symbol.asyncDispose]();
});

async function record(count: number, workspaceId?: string): Promise<void> {
  await store.db.transaction((tx) =>
    recordEvents(
      tx,
      Array.from({ length: count }, (_, n) => ({
        type: "WORKSPACE_UPDATED" as const,
        workspaceId,
        actor: "system:test",
        payload: { n },
      })),
    ),
  );
}

async function idsAfter(after: number, workspaceId?: string): Promise<number[]> {
  const rows = await store.db.select().from(events).orderBy(events.id);
  return rows
    .filter((row) => row.id > after)
    .filter((row) => workspaceId === undefined || row.workspaceId === workspaceId)
    .map((row) => row.id);
}

async function newest(): Promise<number> {
  return (await idsAfter(0)).at(-1) ?? 0;
}

async function take(source: AsyncIterable<EventView>, count: number): Promise<number[]> {
  const ids: number[] = [];
  if (count === 0) return ids;
  for await (const event of source) {
    ids.push(event.id);
    if (ids.length === count) break;
  }
  return ids;
}

async function withBroker<T>(
  work: (broker: EventBroker, signal: AbortSignal) => Promise<T>,
  options: { maxBuffered?: number; pollMs?: number } = {},
): Promise<T> {
  const end = new AbortController();
  const broker = await createEventBroker({ store, logger: silent, ...options });
  try {
    return await work(broker, end.signal);
  } finally {
    end.abort();
    await broker[Symbol.asyncDispose]();
  }
}

describe("an event broker", () => {
  it("tells only what comes when no id is given", async () => {
    await record(3);
    await withBroker(async (broker, signal) => {
      const before = await newest();
      const heard = await broker.subscribe({ signal });
      await record(2);
      expect(await take(heard, 2)).toEqual([before + 1, before + 2]);
    });
  });

  it("tells what was missed, however long it is, and goes on with what comes", async () => {
    const before = await newest();
    await record(1234);
    await withBroker(async (broker, signal) => {
      const heard = await broker.subscribe({ afterId: before, signal });
      await record(10);
      const ids = await take(heard, 1244);
      expect(ids).toEqual(await idsAfter(before));
    });
  });

  it("tells a workspace's listener only of that workspace", async () => {
    const [mine, other] = [randomUUID(), randomUUID()];
    const before = await newest();
    await record(2, mine);
    await record(700, other);
    await record(1, mine);
    await withBroker(async (broker, signal) => {
      const heard = await broker.subscribe({ afterId: before, workspaceId: mine, signal });
      await record(1, other);
      await record(2, mine);
      expect(await take(heard, 5)).toEqual(await idsAfter(before, mine));
    });
  });

  it("does not wait for an id that was never given out", async () => {
    await withBroker(async (broker, signal) => {
      const before = await newest();
      const heard = await broker.subscribe({ afterId: before + 1_000_000, signal });
      await record(1);
      expect(await take(heard, 1)).toEqual([before + 1]);
    });
  });

  it("has neither gap nor duplicate, whenever one resumes while events keep coming", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 25 }), { minLength: 2, maxLength: 10 }),
        fc.boolean(),
        async (pieces, batches, ofOne) => {
          const workspaceId = ofOne ? randomUUID() : undefined;
          const start = await newest();
          await withBroker(async (broker, signal) => {
            const writing = (async () => {
              for (const [n, size] of batches.entries()) {
                await record(size, ofOne && n % 2 === 1 ? randomUUID() : workspaceId);
                await sleep(n % 3);
              }
            })();
            const heard: number[] = [];
            // Each piece is another connection, which goes on where the last one ended.
            for (const length of pieces) {
              const share = Math.min(length, 5);
              const source = await broker.subscribe({
                afterId: heard.at(-1) ?? start,
                workspaceId,
                signal,
              });
              const known = await idsAfter(heard.at(-1) ?? start, workspaceId);
              heard.push(...(await take(source, Math.min(share, known.length))));
            }
            await writing;
            const all = await idsAfter(start, workspaceId);
            const rest = await broker.subscribe({
              afterId: heard.at(-1) ?? start,
              workspaceId,
              signal,
            });
            heard.push(...(await take(rest, all.length - heard.length)));
            expect(heard).toEqual(all);
          });
        },
      ),
      { numRuns: 25 },
    );
  });

  it("drops a listener that does not keep up, and no other", async () => {
    await withBroker(
      async (broker, signal) => {
        const before = await newest();
        const slow = (await broker.subscribe({ signal }))[Symbol.asyncIterator]();
        const fast = await Promise.all(
          Array.from({ length: 100 }, async () => broker.subscribe({ signal })),
        );
        const reading = fast.map((source) => take(source, 61));
        const first = slow.next();
        await record(1);
        expect((await first).value?.id).toBe(before + 1);
        for (let n = 0; n < 6; n += 1) {
          await record(10);
          await sleep(5);
        }
        const expected = await idsAfter(before);
        for (const ids of await Promise.all(reading)) expect(ids).toEqual(expected);
        const drained = async (): Promise<void> => {
          while ((await slow.next()).done !== true);
        };
        await expect(drained()).rejects.toSatisfy((error) =>
          isProvisionerError(error, "ERR_STREAM_SLOW"),
        );
      },
      { maxBuffered: 50 },
    );
  });

  it("ends when the signal aborts, when it is disposed, and forgets who left", async () => {
    await withBroker(async (broker, signal) => {
      const own = new AbortController();
      const first = await broker.subscribe({ signal: own.signal });
      const never = await broker.subscribe({ signal: own.signal });
      const second = await broker.subscribe({ signal });
      const ended = [take(first, 1), take(second, 1)];
      expect(broker.listeners).toBe(3);
      own.abort();
      expect(await ended[0]).toEqual([]);
      expect(broker.listeners).toBe(1);
      expect(await take(never, 1)).toEqual([]);
      await broker[Symbol.asyncDispose]();
      expect(await ended[1]).toEqual([]);
      expect(broker.listeners).toBe(0);
      await expect(broker.subscribe({ signal })).rejects.toThrow("stopping");
    });
  });

  it("finds by itself what nobody told it of", async () => {
    await withBroker(
      async (broker, signal) => {
        const before = await newest();
        const heard = await broker.subscribe({ signal });
        await store.db
          .insert(events)
          .values({ eventType: "WORKSPACE_UPDATED", actor: "system:test" });
        expect(await take(heard, 1)).toEqual([before + 1]);
      },
      { pollMs: 20 },
    );
  });
});
