import { systemClock, type JsonObject } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import type { Logger } from "../logger.js";
import { queryRows, type Database } from "../store/database.js";
import type { Store } from "../store/open-store.js";
import type { Loop } from "./loop.js";
import { backoffMs, jittered, supervise } from "./supervise.js";

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("a supervised loop", () => {
    let home: StoreHome;
    let store: Store;
    let supervisors: AsyncDisposable[];
    beforeAll(async () => {
      home = await kind.open();
      store = home.store;
    });
    beforeEach(() => {
      supervisors = [];
    });
    afterEach(async () => {
      for (const supervisor of supervisors) await supervisor[Symbol.asyncDispose]();
      await store.db.execute(sql`delete from loops`);
    });
    afterAll(() => home?.[Symbol.asyncDispose]());

    interface LoopRow {
      name: string;
      holder: string | null;
      last_error: string | null;
      runs: number;
      failures: number;
      summary: JsonObject | null;
      succeeded: boolean;
    }

    async function rowOf(name: string): Promise<LoopRow | undefined> {
      const [row] = await queryRows<LoopRow>(
        store.db,
        sql`select name, holder, last_error, runs::int as runs, failures::int as failures, summary,
          last_succeeded_at is not null as succeeded from loops where name = ${name}`,
      );
      return row;
    }

    function start(
      loop: Partial<Loop> & Pick<Loop, "run">,
      options: {
        instanceId?: string;
        db?: Database;
        hostId?: string;
        leaseMs?: number;
      } = {},
    ): AsyncDisposable {
      const supervisor = supervise(
        { name: "test", intervalMs: 5, timeoutMs: 5_000, perHost: false, ...loop },
        {
          db: options.db ?? store.db,
          instanceId: options.instanceId ?? randomUUID(),
          hostId: options.hostId,
          clock: systemClock,
          logger: silent,
          random: () => 0.5,
          leaseMs: options.leaseMs ?? 30_000,
          standbyMs: 10,
        },
      );
      supervisors.push(supervisor);
      return supervisor;
    }

    it("runs again and again, and stores what each run found", async () => {
      let count = 0;
      start({ run: () => Promise.resolve({ count: (count += 1) }) });
      await vi.waitFor(async () => {
        const row = await rowOf("test");
        expect(row?.runs).toBeGreaterThan(2);
        expect(row?.summary?.["count"]).toBeGreaterThan(2);
        expect(row).toMatchObject({ failures: 0, last_error: null, succeeded: true });
      }, 10_000);
    });

    it("never runs twice at once", async () => {
      let now = 0;
      let most = 0;
      let runs = 0;
      let wakeUp = (): void => undefined;
      start({
        async run() {
          most = Math.max(most, (now += 1));
          wakeUp();
          await systemClock.sleep(10);
          now -= 1;
          runs += 1;
          return {};
        },
        watch: ({ signal, wake }) => {
          wakeUp = wake;
          return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
        },
      });
      await vi.waitFor(() => expect(runs).toBeGreaterThan(3), 10_000);
      expect(most).toBe(1);
    });

    it("keeps one leader of several processes, which hands over when it stops", async () => {
      const ran: string[] = [];
      const first = start({ run: () => Promise.resolve(void ran.push("first")).then(() => ({})) });
      await vi.waitFor(() => expect(ran.length).toBeGreaterThan(0), 10_000);
      start({ run: () => Promise.resolve(void ran.push("second")).then(() => ({})) });
      await vi.waitFor(() => expect(ran.length).toBeGreaterThan(10), 10_000);
      expect(ran).not.toContain("second");

      await first[Symbol.asyncDispose]();
      const handedOverAt = ran.length;
      // The lease of the first would have lasted half a minute more.
      await vi.waitFor(() => expect(ran.slice(handedOverAt)).toContain("second"), 10_000);
      expect(ran.slice(handedOverAt)).not.toContain("first");
    });

    it("is taken over when its leader is gone without a word", async () => {
      const ran: string[] = [];
      let isCut = false;
      const severed = new Proxy(store.db, {
        get(target, key) {
          if (isCut) throw new Error("no way to the database");
          const value: unknown = Reflect.get(target, key);
          return typeof value === "function" ? (value.bind(target) as unknown) : value;
        },
      });
      const first = (): Promise<JsonObject> =>
        Promise.resolve(void ran.push("first")).then(() => ({}));
      start({ run: first }, { db: severed, leaseMs: 300 });
      await vi.waitFor(() => expect(ran).toContain("first"), 10_000);
      start(
        { run: () => Promise.resolve(void ran.push("second")).then(() => ({})) },
        { leaseMs: 300 },
      );
      isCut = true;
      await vi.waitFor(() => expect(ran).toContain("second"), 10_000);
      expect(ran.lastIndexOf("first")).toBeLessThan(ran.indexOf("second"));
    });

    it("aborts the run of a leader whose lease was taken", async () => {
      let reason: unknown;
      start(
        {
          run: ({ signal }) =>
            new Promise((_, reject) =>
              signal.addEventListener("abort", () => reject((reason = signal.reason) as Error)),
            ),
        },
        { leaseMs: 150 },
      );
      await vi.waitFor(async () => expect((await rowOf("test"))?.runs).toBe(1), 10_000);
      const thief = randomUUID();
      await store.db.execute(
        sql`update loops set holder = ${thief}, lease_expires_at = now() + interval '1 hour'`,
      );
      await vi.waitFor(() => expect(String(reason)).toContain("no longer leads"), 10_000);
      expect(await rowOf("test")).toMatchObject({ holder: thief, failures: 0 });
    });

    it("leads a loop of each engine apart", async () => {
      const ran = new Set<string>();
      for (const hostId of ["a", "b"]) {
        start(
          { perHost: true, run: () => Promise.resolve(ran.add(hostId)).then(() => ({})) },
          { hostId },
        );
      }
      await vi.waitFor(() => expect(ran).toEqual(new Set(["a", "b"])), 10_000);
      await vi.waitFor(async () => {
        expect((await rowOf("test@a"))?.succeeded).toBe(true);
        expect((await rowOf("test@b"))?.succeeded).toBe(true);
      }, 10_000);
    });

    it("stores a failure without its internals, and goes on", async () => {
      let runs = 0;
      start({
        run: () => {
          runs += 1;
          return runs === 1
            ? Promise.reject(new Error("password=hunter2 in /var/lib/x"))
            : Promise.resolve({ fine: true });
        },
      });
      await vi.waitFor(
        async () => {
          const row = await rowOf("test");
          expect(row).toMatchObject({ failures: 1, summary: { fine: true } });
          expect(row?.last_error).toMatch(/^ERR_INTERNAL/);
          expect(row?.last_error).not.toContain("hunter2");
        },
        { timeout: 30_000 },
      );
    });

    it("ends a run that takes too long", async () => {
      let wasAborted = false;
      start({
        timeoutMs: 30,
        run: ({ signal }) =>
          new Promise((_, reject) =>
            signal.addEventListener("abort", () => {
              wasAborted = true;
              reject(signal.reason as Error);
            }),
          ),
      });
      await vi.waitFor(async () => {
        expect((await rowOf("test"))?.last_error).toMatch(/^ERR_DEADLINE: The loop test/);
      }, 10_000);
      expect(wasAborted).toBe(true);
    });

    it("runs at once when its watch asks for it, and mends a watch that breaks", async () => {
      let runs = 0;
      let watches = 0;
      let wakeUp = (): void => undefined;
      start({
        intervalMs: 3_600_000,
        run: () => Promise.resolve({ runs: (runs += 1) }),
        watch: ({ signal, wake }) => {
          watches += 1;
          if (watches === 1) return Promise.reject(new Error("stream broke"));
          wakeUp = wake;
          return new Promise((resolve) => signal.addEventListener("abort", () => resolve()));
        },
      });
      await vi.waitFor(() => expect(watches).toBe(2), 10_000);
      await vi.waitFor(() => expect(runs).toBe(1), 10_000);
      wakeUp();
      await vi.waitFor(() => expect(runs).toBe(2), 10_000);
    });

    it("aborts what runs when it stops, waits for its end and calls that no failure", async () => {
      const order: string[] = [];
      const supervisor = start({
        async run({ signal }) {
          order.push("run");
          await new Promise((resolve) => signal.addEventListener("abort", resolve));
          await systemClock.sleep(20);
          order.push("ended");
          throw new Error("aborted");
        },
      });
      await vi.waitFor(() => expect(order).toEqual(["run"]), 10_000);
      await supervisor[Symbol.asyncDispose]();
      order.push("disposed");
      expect(order).toEqual(["run", "ended", "disposed"]);
      expect(await rowOf("test")).toMatchObject({ holder: null, failures: 0 });
    });
  });
});

describe("backoffMs", () => {
  it("doubles from one second to thirty", () => {
    expect([1, 2, 3, 4, 5, 6, 60].map(backoffMs)).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ]);
  });
});

describe("jittered", () => {
  it("spreads an interval by a tenth to either side", () => {
    expect([0, 0.5, 1].map((random) => jittered(10_000, random))).toEqual([9000, 10_000, 11_000]);
  });
});
