import { ProvisionerError, systemClock } from "@molecule-ai/core";
import { asc, eq, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  addWorkspace,
  ask,
  createTestHostLink,
  createTestQueue,
  createTestRunner,
  createTestWorker,
  untilAborted,
  type Ask,
  type TestRunner,
  type TestWorkerOptions,
} from "../../test/support/operation-fixture.js";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import type { Store } from "../store/open-store.js";
import { events, operations, workspaces } from "../store/schema.js";
import type { Worker } from "./create-worker.js";
import type { OperationQueue, OperationRow } from "./operation.js";

const retryable = (): ProvisionerError =>
  new ProvisionerError("ERR_PULL_FAILED", "The registry is busy.", { retryable: true });

describe.each(storeHomes)("a worker on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("keeps its promises:", () => {
    let home: StoreHome;
    let store: Store;
    let runner: TestRunner;
    let queue: OperationQueue;
    let workers: Worker[] = [];
    beforeAll(async () => {
      home = await kind.open();
      store = home.store;
    });
    beforeEach(async () => {
      await home.clear();
      runner = createTestRunner();
      queue = createTestQueue(store, runner);
    });
    afterEach(async () => {
      await Promise.all(workers.map((worker) => worker[Symbol.asyncDispose]()));
      workers = [];
    });
    afterAll(() => home?.[Symbol.asyncDispose]());

    const startWorker = async (
      options: Partial<TestWorkerOptions> = {},
      on: Store = store,
    ): Promise<Worker> => {
      const worker = createTestWorker(on, { runner, ...options });
      workers.push(worker);
      await worker.start();
      return worker;
    };
    const request = async (options: Ask = {}, workspaceId?: string): Promise<OperationRow> => {
      const id = workspaceId ?? (await addWorkspace(store));
      return (await ask(store, queue, id, options)).operation;
    };
    const settled = async (id: string): Promise<OperationRow | undefined> =>
      queue.settled(id, { signal: AbortSignal.timeout(15_000) });
    const untilState = (id: string, state: string): Promise<void> =>
      expect.poll(async () => (await queue.get(id))?.state, { interval: 10 }).toBe(state);
    const eventsOf = async (id: string): Promise<{ type: string; payload: unknown }[]> => {
      const rows = await store.db
        .select()
        .from(events)
        .where(eq(events.operationId, id))
        .orderBy(asc(events.id));
      return rows.map(({ eventType, payload }) => ({ type: eventType, payload }));
    };
    const typesOf = async (id: string): Promise<string[]> =>
      (await eventsOf(id)).map(({ type }) => type);

    it("an operation is run, ends, and says so", async () => {
      await startWorker();
      const { id, workspaceId } = await request();
      const row = await settled(id);
      expect(row).toMatchObject({
        state: "succeeded",
        attempt: 1,
        hostId: "host-a",
        errorCode: null,
        leaseExpiresAt: null,
      });
      expect(row?.finishedAt).toBeInstanceOf(Date);
      expect(await typesOf(id)).toEqual([
        "OPERATION_QUEUED",
        "OPERATION_STARTED",
        "OPERATION_SUCCEEDED",
      ]);
      expect(runner.finished).toMatchObject([{ ending: { state: "succeeded" } }]);
      const [workspace] = await store.db
        .select()
        .from(workspaces)
        .where(eq(workspaces.id, workspaceId));
      expect(workspace?.hostId).toBe("host-a");
    });

    it("progress is told by the clock of the database, whatever that of the worker says", async () => {
      runner.work = (operation, context) => {
        const about = { stage: "pull", subject: "an image" } as const;
        context.onEvent({ type: "stage.started", ...about });
        return untilAborted(operation, context);
      };
      const hourAgo = () => systemClock.now() - 3_600_000;
      await startWorker({ clock: { ...systemClock, now: hourAgo } });
      const { id } = await request();
      await expect.poll(async () => (await queue.get(id))?.stage).toBe("pull");
      const row = await queue.get(id);
      const startedAt = row?.startedAt?.getTime() ?? 0;
      expect(row?.progressAt?.getTime()).toBeGreaterThanOrEqual(startedAt);
      expect(row?.stageStartedAt?.getTime()).toBeGreaterThanOrEqual(startedAt);
    });

    it("what was queued before there was a worker is run in the order of requests", async () => {
      const asked: string[] = [];
      for (let at = 0; at < 5; at++) asked.push((await request()).id);
      const order: string[] = [];
      runner.work = ({ id }) => Promise.resolve(void order.push(id));
      await startWorker({ limits: { total: 1, perRuntime: 1 } });
      await settled(asked.at(-1) ?? "");
      expect(order).toEqual(asked);
    });

    it("operations of another host, or put off, are left alone", async () => {
      const elsewhere = await request({ hostId: "host-b" });
      const later = await request();
      await store.db
        .update(operations)
        .set({ notBefore: sql`clock_timestamp() + interval '1 hour'` })
        .where(eq(operations.id, later.id));
      await startWorker();
      const mine = await request({ hostId: "host-a" });
      await settled(mine.id);
      expect(await queue.get(elsewhere.id)).toMatchObject({ state: "queued" });
      expect(await queue.get(later.id)).toMatchObject({ state: "queued" });
    });

    it("a runtime at its limit does not hold up others, and counts over all workers of a host", async () => {
      runner.work = untilAborted;
      const limits = { total: 4, perRuntime: 2 };
      await startWorker({ limits });
      await startWorker({ limits }, await home.another());
      const busy: OperationRow[] = [];
      for (let at = 0; at < 4; at++) busy.push(await request({ runtime: "crewai" }));
      const other = await request({ runtime: "autogen" });
      await untilState(other.id, "running");
      await untilState(busy[1]?.id ?? "", "running");
      await sleep(150);
      const states = await Promise.all(busy.map(({ id }) => queue.get(id)));
      expect(states.map((row) => row?.state)).toEqual(["running", "running", "queued", "queued"]);
      await queue.cancel(busy[0]?.id ?? "", { actor: "admin" });
      await untilState(busy[2]?.id ?? "", "running");
    });

    it("no more run at once than a worker may, and a removal has a slot beside builds", async () => {
      runner.work = (operation, context) =>
        operation.kind === "remove" ? Promise.resolve() : untilAborted(operation, context);
      const worker = await startWorker({ limits: { total: 2, perRuntime: 9 } });
      const starts = [await request(), await request(), await request()];
      await untilState(starts[1]?.id ?? "", "running");
      const removal = await request({ kind: "remove" });
      expect(await settled(removal.id)).toMatchObject({ state: "succeeded" });
      expect(worker.running).toBe(2);
      expect(await queue.get(starts[2]?.id ?? "")).toMatchObject({ state: "queued" });
    });

    it("a cancel stops what runs, and tells it why", async () => {
      const reasons: unknown[] = [];
      runner.work = (operation, context) =>
        untilAborted(operation, context).catch((error: unknown) => {
          reasons.push(error);
          throw error;
        });
      await startWorker();
      const { id } = await request();
      await untilState(id, "running");
      await queue.cancel(id, { actor: "admin" });
      expect(await settled(id)).toMatchObject({
        state: "cancelled",
        errorCode: "ERR_OPERATION_CANCELLED",
      });
      expect(reasons).toMatchObject([{ code: "ERR_OPERATION_CANCELLED" }]);
      expect(runner.finished).toMatchObject([{ ending: { state: "cancelled" } }]);
    });

    it("a cancel that comes too late is too late", async () => {
      let end: () => void = () => undefined;
      runner.work = () => new Promise((resolve) => (end = () => resolve({})));
      await startWorker();
      const { id } = await request();
      await untilState(id, "running");
      await queue.cancel(id, { actor: "admin" });
      end();
      expect(await settled(id)).toMatchObject({ state: "succeeded" });
    });

    it("what waits takes its place when the one before it has stopped", async () => {
      runner.work = (operation, context) =>
        operation.kind === "provision" ? untilAborted(operation, context) : Promise.resolve();
      await startWorker();
      const first = await request();
      await untilState(first.id, "running");
      const second = await request({ kind: "pause" }, first.workspaceId);
      expect(await settled(second.id)).toMatchObject({ state: "succeeded", hostId: "host-a" });
      expect(await queue.get(first.id)).toMatchObject({ state: "cancelled" });
      expect(runner.finished).toMatchObject([
        { operation: { id: first.id }, next: { id: second.id, state: "queued" } },
        { operation: { id: second.id }, next: undefined },
      ]);
    });

    it("stages are stored and told as they happen, and their durations at the end", async () => {
      runner.work = async (_, { onEvent, signal }) => {
        onEvent({ type: "stage.started", stage: "head", subject: "repo s3cret-value" });
        onEvent({ type: "stage.finished", stage: "head", outcome: "found", durationMs: 2 });
        onEvent({ type: "stage.started", stage: "build", subject: "image" });
        await sleep(400, undefined, { signal });
        onEvent({ type: "stage.finished", stage: "build", outcome: "built", durationMs: 400 });
      };
      await startWorker();
      const { id } = await request();
      await expect.poll(async () => (await queue.get(id))?.stage).toBe("build");
      const row = await settled(id);
      expect(row?.timings).toEqual([
        { stage: "head", durationMs: 2 },
        { stage: "build", durationMs: 400 },
      ]);
      const told = (await eventsOf(id)).filter(({ type }) => type === "OPERATION_STAGE");
      expect(told.map(({ payload }) => payload)).toMatchObject([
        { stage: "head", state: "started", subject: "repo ***" },
        { stage: "head", state: "finished" },
        { stage: "build", state: "started" },
        { stage: "build", state: "finished" },
      ]);
      expect(await typesOf(id)).toEqual([
        "OPERATION_QUEUED",
        "OPERATION_STARTED",
        ...told.map(() => "OPERATION_STAGE"),
        "OPERATION_SUCCEEDED",
      ]);
    });

    it("a stage without progress ends in a failure that is not tried again", async () => {
      runner.work = (operation, context) => {
        context.onEvent({ type: "stage.started", stage: "pull", subject: "image" });
        return untilAborted(operation, context);
      };
      const stages: unknown[] = [];
      await startWorker({
        deadlines: (stage, runtime) => {
          stages.push([stage, runtime]);
          return stage === "pull" ? 80 : 60_000;
        },
      });
      const { id } = await request({ runtime: "hermes" });
      expect(await settled(id)).toMatchObject({
        state: "failed",
        errorCode: "ERR_DEADLINE",
        errorMessage: "stage pull made no progress for 80 ms",
        stage: "pull",
        attempt: 1,
      });
      expect(stages).toEqual([
        [undefined, "hermes"],
        ["pull", "hermes"],
      ]);
    });

    it("progress pushes the deadline back", async () => {
      runner.work = async (_, { onEvent, signal }) => {
        onEvent({ type: "stage.started", stage: "build", subject: "image" });
        for (let line = 0; line < 30; line++) {
          await sleep(50, undefined, { signal });
          onEvent({ type: "build.log", vertex: "1", stream: "stdout", line: "…" });
        }
      };
      await startWorker({ deadlines: () => 1000 });
      const { id } = await request();
      expect(await settled(id)).toMatchObject({ state: "succeeded" });
    });

    it("a retryable failure is tried again, a bounded number of times, later each time", async () => {
      runner.work = () => Promise.reject(retryable());
      await startWorker({ maxRetries: 2 });
      const { id } = await request();
      expect(await settled(id)).toMatchObject({
        state: "failed",
        attempt: 3,
        retries: 2,
        errorCode: "ERR_PULL_FAILED",
        errorMessage: "The registry is busy.",
      });
      const told = (await eventsOf(id)).filter(({ type }) => type === "OPERATION_RETRIED");
      const delays = told.map(({ payload }) => (payload as { retry_in_ms: number }).retry_in_ms);
      expect(delays).toHaveLength(2);
      expect(delays[0]).toBeGreaterThanOrEqual(10);
      expect(delays[0]).toBeLessThanOrEqual(20);
      expect(delays[1]).toBeGreaterThanOrEqual(40);
      expect(delays[1]).toBeLessThanOrEqual(80);
      expect(runner.finished).toHaveLength(1);
    });

    it("a success after a retry forgets the failure", async () => {
      runner.work = ({ attempt }) =>
        attempt === 1 ? Promise.reject(retryable()) : Promise.resolve();
      await startWorker();
      const { id } = await request();
      expect(await settled(id)).toMatchObject({
        state: "succeeded",
        attempt: 2,
        errorCode: null,
        errorMessage: null,
      });
    });

    it("a failure that is not retryable ends it, with what people may know", async () => {
      runner.work = () =>
        Promise.reject(
          new ProvisionerError("ERR_AGENT_EXITED", "It said s3cret-value.", {
            hint: "Look at s3cret-value.",
            details: { id: "w", logTail: ["line one", "token s3cret-value"] },
          }),
        );
      await startWorker();
      const { id } = await request();
      expect(await settled(id)).toMatchObject({
        state: "failed",
        attempt: 1,
        errorCode: "ERR_AGENT_EXITED",
        errorMessage: "It said ***.",
        errorHint: "Look at ***.",
        errorDetails: { id: "w" },
        logTail: "line one\ntoken ***",
      });
    });

    it("an unexpected error tells nothing of the inside", async () => {
      runner.work = () => Promise.reject(new TypeError("cannot read /etc/s3cret-value"));
      await startWorker();
      const { id } = await request();
      const row = await settled(id);
      expect(row).toMatchObject({ state: "failed", errorCode: "ERR_INTERNAL" });
      expect(JSON.stringify(row)).not.toContain("/etc");
    });

    it("a failed start with a follower is not tried again: the follower does it, and what it was told", async () => {
      let fail: () => void = () => undefined;
      runner.work = ({ attempt, params }) =>
        params["reset"] === true && attempt === 1 && params["last"] === undefined
          ? new Promise((_, reject) => (fail = () => reject(retryable())))
          : Promise.resolve();
      await startWorker();
      const first = await request({ kind: "restart", params: { reset: true } });
      await untilState(first.id, "running");
      const second = await request({ kind: "restart", params: { last: true } }, first.workspaceId);
      fail();
      expect(await settled(second.id)).toMatchObject({
        state: "succeeded",
        params: { reset: true, last: true },
      });
      expect(await queue.get(first.id)).toMatchObject({ state: "failed", attempt: 1 });
    });

    it("while the engine is away failures do not count, and nothing is taken until it is back", async () => {
      const host = createTestHostLink();
      let runs = 0;
      runner.work = () => {
        runs++;
        return host.isUp ? Promise.resolve() : Promise.reject(new Error("socket hang up"));
      };
      host.isUp = false;
      await startWorker({ host, maxRetries: 0 });
      const { id } = await request();
      await expect.poll(() => typesOf(id)).toContain("OPERATION_RETRIED");
      await sleep(200);
      expect(runs).toBe(1);
      expect(await queue.get(id)).toMatchObject({ state: "queued", retries: 0 });
      host.isUp = true;
      expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 2 });
    });

    it("nothing is taken while there is no engine at all", async () => {
      const host = createTestHostLink();
      let connect: () => void = () => undefined;
      const connected = new Promise<void>((resolve) => (connect = resolve));
      const late = { ...host, connected: () => connected.then(() => host.require()) };
      await startWorker({ host: late });
      const { id } = await request();
      await sleep(100);
      expect(await queue.get(id)).toMatchObject({ state: "queued" });
      connect();
      expect(await settled(id)).toMatchObject({ state: "succeeded" });
    });

    it("an ending that could not be stored is stored later, and takes effect once", async () => {
      let failures = 2;
      runner.onFinish = async (tx, { workspaceId }) => {
        await tx.insert(workspaces).values({
          id: randomUUID(),
          name: `ended ${workspaceId}`,
          tier: 2,
          status: "online",
          runtime: "external",
          createdBy: "admin",
        });
        if (failures-- > 0) throw new Error("the database is away");
      };
      let runs = 0;
      runner.work = () => Promise.resolve(void runs++);
      await startWorker();
      const { id, workspaceId } = await request();
      expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 1 });
      expect(runs).toBe(1);
      const effects = await store.db
        .select()
        .from(workspaces)
        .where(eq(workspaces.name, `ended ${workspaceId}`));
      expect(effects).toHaveLength(1);
    });

    it("a lease is renewed as long as the run lasts", async () => {
      let runs = 0;
      runner.work = (_, { signal }) => {
        runs++;
        return sleep(1500, undefined, { signal });
      };
      await startWorker({ leaseMs: 600 });
      await startWorker({ leaseMs: 600 }, await home.another());
      const { id } = await request();
      expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 1, takeovers: 0 });
      expect(runs).toBe(1);
    });

    it("a worker that cannot renew stops its work before the lease is over, and hands it back", async () => {
      let isAway = false;
      const db = new Proxy(store.db, {
        get: (target, name) => {
          const value: unknown = Reflect.get(target, name);
          if (typeof value !== "function") return value;
          return (...args: unknown[]): unknown => {
            if (isAway) throw new Error("the database is away");
            return Reflect.apply(value, target, args);
          };
        },
      });
      const stopped: { reason: unknown; afterMs: number }[] = [];
      runner.work = async (operation, context) => {
        if (operation.attempt > 1) return;
        isAway = true;
        const startedAt = performance.now();
        await untilAborted(operation, context).catch((reason: unknown) => {
          stopped.push({ reason, afterMs: performance.now() - startedAt });
          isAway = false;
          throw reason;
        });
      };
      await startWorker({ leaseMs: 6000 }, { ...store, db });
      const { id } = await request();
      expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 2, retries: 0 });
      expect(stopped).toMatchObject([{ reason: { code: "ERR_OPERATION_LOST" } }]);
      expect(stopped[0]?.afterMs).toBeLessThan(6000);
    });

    it("an operation whose worker fell silent is taken over on its host, and only there", async () => {
      const { id } = await request();
      await die(id);
      await startWorker({ host: createTestHostLink("host-b"), pollMs: 50 });
      await sleep(200);
      expect(await queue.get(id)).toMatchObject({ state: "running", attempt: 1 });
      await startWorker();
      expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 2, takeovers: 1 });
    });

    it("a lease is waited for to its end, without a notification", async () => {
      const { id } = await request();
      // Before its holder is known to be dead, which an embedded store knows at boot.
      await startWorker({ pollMs: 60_000 });
      const { id: other } = await request({ hostId: "host-b" });
      await die(other, "400 milliseconds");
      await store.db.update(operations).set({ hostId: "host-a" }).where(eq(operations.id, other));
      await settled(id);
      // Its end wakes the worker, which then sees the lease.
      await settled((await request()).id);
      expect(await settled(other)).toMatchObject({ state: "succeeded", takeovers: 1 });
    });

    it("an attempt that was taken over can write nothing more", async () => {
      let end: () => void = () => undefined;
      const reasons: unknown[] = [];
      runner.work = ({ attempt }, { signal }) =>
        attempt > 1
          ? Promise.resolve()
          : new Promise((resolve) => {
              signal.addEventListener("abort", () => reasons.push(signal.reason));
              end = () => resolve({});
            });
      await startWorker({ leaseMs: 900 });
      const { id } = await request();
      await untilState(id, "running");
      // Somebody else has it, and ended it.
      await store.db
        .update(operations)
        .set({ state: "failed", attempt: 2, claimedBy: randomUUID(), errorCode: "ERR_OTHER" })
        .where(eq(operations.id, id));
      await expect.poll(() => reasons).toMatchObject([{ code: "ERR_OPERATION_LOST" }]);
      end();
      await sleep(100);
      expect(await queue.get(id)).toMatchObject({ state: "failed", errorCode: "ERR_OTHER" });
      expect(runner.finished).toEqual([]);
    });

    it("a cancelled operation whose process died is given back to the runner to clean up", async () => {
      const { id } = await request();
      await die(id);
      await queue.cancel(id, { actor: "admin" });
      const signals: boolean[] = [];
      runner.work = (operation, context) => {
        signals.push(context.signal.aborted);
        return untilAborted(operation, context);
      };
      await startWorker();
      expect(await settled(id)).toMatchObject({ state: "cancelled", attempt: 2 });
      expect(signals).toEqual([true]);
    });

    it("an operation that kills its process each time ends as lost, and is run no more", async () => {
      const { id } = await request();
      await die(id);
      await store.db.update(operations).set({ takeovers: 10 }).where(eq(operations.id, id));
      let runs = 0;
      runner.work = () => Promise.resolve(void runs++);
      await startWorker();
      expect(await settled(id)).toMatchObject({
        state: "failed",
        errorCode: "ERR_OPERATION_LOST",
        takeovers: 11,
      });
      expect(runs).toBe(0);
      expect(runner.finished).toMatchObject([{ ending: { state: "failed" } }]);
    });

    it("a drain lets what is nearly done end, and hands back the rest as it was", async () => {
      runner.work = (operation, context) =>
        operation.runtime === "quick"
          ? sleep(150).then(() => ({}))
          : untilAborted(operation, context);
      const worker = await startWorker();
      const quick = await request({ runtime: "quick" });
      const slow = await request();
      await untilState(quick.id, "running");
      await untilState(slow.id, "running");
      await worker.drain({ graceMs: 600 });
      const late = await request();
      expect(await queue.get(quick.id)).toMatchObject({ state: "succeeded" });
      expect(await queue.get(slow.id)).toMatchObject({
        state: "queued",
        claimedBy: null,
        retries: 0,
        takeovers: 0,
      });
      expect(await queue.get(late.id)).toMatchObject({ state: "queued" });
      expect(worker.running).toBe(0);
      runner.work = () => Promise.resolve();
      await startWorker();
      expect(await settled(slow.id)).toMatchObject({ state: "succeeded", attempt: 2 });
    });

    it("a drain does not hand back what was cancelled", async () => {
      runner.work = untilAborted;
      const worker = await startWorker();
      const { id } = await request();
      await untilState(id, "running");
      // Its notification did not come.
      await store.db
        .update(operations)
        .set({ cancelRequestedAt: new Date(), cancelReason: "cancelled by admin" })
        .where(eq(operations.id, id));
      await worker.drain({ graceMs: 0 });
      expect(await queue.get(id)).toMatchObject({
        state: "cancelled",
        errorCode: "ERR_OPERATION_CANCELLED",
        errorMessage: "It was cancelled by admin.",
      });
    });

    it("two workers share the work without doing any of it twice", async () => {
      const runs: string[] = [];
      runner.work = async ({ id }) => {
        runs.push(id);
        await sleep(5);
      };
      await startWorker({ limits: { total: 3, perRuntime: 9 } });
      await startWorker({ limits: { total: 3, perRuntime: 9 } }, await home.another());
      const asked = await Promise.all(Array.from({ length: 20 }, () => request()));
      for (const { id } of asked) {
        expect(await settled(id)).toMatchObject({ state: "succeeded", attempt: 1 });
      }
      expect([...runs].sort()).toEqual(asked.map(({ id }) => id).sort());
    });

    /** As if a process took it and was killed. */
    async function die(id: string, lease = "0 seconds"): Promise<void> {
      await store.db
        .update(operations)
        .set({
          state: "running",
          attempt: 1,
          hostId: "host-a",
          claimedBy: randomUUID(),
          leaseExpiresAt: sql`clock_timestamp() + ${lease}::interval`,
        })
        .where(eq(operations.id, id));
    }
  });
});
