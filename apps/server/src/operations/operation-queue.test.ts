import { eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  addWorkspace,
  ask,
  createTestQueue,
  createTestRunner,
  type TestRunner,
} from "../../test/support/operation-fixture.js";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import { recordEvents } from "../store/events.js";
import type { Store } from "../store/open-store.js";
import { events, operations, workspaces } from "../store/schema.js";
import { transition } from "../store/workspaces.js";
import type { OperationQueue, OperationRow } from "./operation.js";

describe.each(storeHomes)("the queue on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("keeps its promises:", () => {
    let home: StoreHome;
    let store: Store;
    let runner: TestRunner;
    let queue: OperationQueue;
    beforeAll(async () => {
      home = await kind.open();
      store = home.store;
    });
    beforeEach(async () => {
      await home.clear();
      runner = createTestRunner();
      queue = createTestQueue(store, runner);
    });
    afterAll(() => home?.[Symbol.asyncDispose]());

    const rowsOf = (workspaceId: string): Promise<OperationRow[]> =>
      store.db
        .select()
        .from(operations)
        .where(eq(operations.workspaceId, workspaceId))
        .orderBy(operations.createdAt);
    const begin = (id: string): Promise<unknown> =>
      store.db
        .update(operations)
        .set({ state: "running", attempt: 1, hostId: "host-a", claimedBy: randomUUID() })
        .where(eq(operations.id, id));
    const typesOfEvents = async (): Promise<string[]> => {
      const rows = await store.db.select().from(events).orderBy(events.id);
      return rows.map(({ eventType }) => eventType);
    };

    it("a request is queued, explains its workspace and is told to listeners", async () => {
      const id = await addWorkspace(store);
      const { operation, outcome } = await ask(store, queue, id, { params: { template: "a" } });
      expect(outcome).toBe("created");
      expect(operation).toMatchObject({
        workspaceId: id,
        kind: "provision",
        state: "queued",
        params: { template: "a" },
        requestedBy: "admin",
        attempt: 0,
      });
      const [workspace] = await store.db.select().from(workspaces).where(eq(workspaces.id, id));
      expect(workspace?.lastOperationId).toBe(operation.id);
      expect(await typesOfEvents()).toEqual(["OPERATION_QUEUED"]);
    });

    it("a request whose transaction fails leaves nothing", async () => {
      const id = await addWorkspace(store);
      const failing = store.db.transaction(async (tx) => {
        await queue.request(tx, {
          workspaceId: id,
          runtime: "langgraph",
          kind: "provision",
          hostId: undefined,
          requestedBy: "admin",
        });
        throw new Error("no");
      });
      await expect(failing).rejects.toThrow("no");
      expect(await rowsOf(id)).toEqual([]);
    });

    it("a request of the kind that is queued joins it, with its params over the others", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "restart", params: { reset: true } });
      const second = await ask(store, queue, id, { kind: "restart", params: { template: "b" } });
      expect(second.outcome).toBe("joined");
      expect(second.operation.id).toBe(first.operation.id);
      expect(second.operation.params).toEqual({ reset: true, template: "b" });
      expect(await rowsOf(id)).toHaveLength(1);
    });

    it("a request of the kind that runs follows it, and a third joins the follower", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "restart" });
      await begin(first.operation.id);
      const second = await ask(store, queue, id, { kind: "restart" });
      const third = await ask(store, queue, id, { kind: "restart", params: { reset: true } });
      expect([second.outcome, third.outcome]).toEqual(["follows", "joined"]);
      expect(third.operation).toMatchObject({
        id: second.operation.id,
        state: "waiting",
        params: { reset: true },
      });
      expect(await queue.get(first.operation.id)).toMatchObject({ cancelRequestedAt: null });
    });

    it("a request of another kind ends the queued one without asking the runner", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "provision", params: { template: "a" } });
      const second = await ask(store, queue, id, { kind: "pause" });
      expect(second).toMatchObject({ outcome: "supersedes", operation: { state: "queued" } });
      expect(await queue.get(first.operation.id)).toMatchObject({
        state: "cancelled",
        errorCode: "ERR_OPERATION_CANCELLED",
        errorDetails: { superseded_by: second.operation.id },
      });
      expect(runner.finished).toEqual([]);
      expect(await typesOfEvents()).toEqual([
        "OPERATION_QUEUED",
        "OPERATION_CANCELLED",
        "OPERATION_QUEUED",
      ]);
    });

    it("a start that supersedes a start does what that one was told, too", async () => {
      const id = await addWorkspace(store);
      await ask(store, queue, id, { kind: "provision", params: { template: "a" } });
      const { operation } = await ask(store, queue, id, {
        kind: "restart",
        params: { reset: true },
      });
      expect(operation.params).toEqual({ template: "a", reset: true });
    });

    it("a request of another kind asks the running one to stop, and waits for it", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "provision" });
      await begin(first.operation.id);
      const second = await ask(store, queue, id, { kind: "pause" });
      expect(second).toMatchObject({ outcome: "supersedes", operation: { state: "waiting" } });
      const stopping = await queue.get(first.operation.id);
      expect(stopping).toMatchObject({ state: "running" });
      expect(stopping?.cancelRequestedAt).not.toBeNull();
      // On the engine where the first one left something.
      expect(second.operation.hostId).toBe("host-a");
    });

    it("the last of several changes of mind is the one that waits", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "restart" });
      await begin(first.operation.id);
      await ask(store, queue, id, { kind: "pause" });
      await ask(store, queue, id, { kind: "resume" });
      const last = await ask(store, queue, id, { kind: "hibernate" });
      const states = (await rowsOf(id)).map((row) => `${row.kind} ${row.state}`);
      expect(states).toEqual([
        "restart running",
        "pause cancelled",
        "resume cancelled",
        "hibernate waiting",
      ]);
      expect(last.outcome).toBe("supersedes");
    });

    it("a removal takes the place of everything, and nothing takes its place", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "restart" });
      await begin(first.operation.id);
      await ask(store, queue, id, { kind: "restart" });
      const removal = await ask(store, queue, id, { kind: "remove", params: { purge: false } });
      expect(removal).toMatchObject({ outcome: "supersedes", operation: { state: "waiting" } });
      for (const later of ["restart", "pause", "resume", "hibernate", "provision"] as const) {
        const { outcome, operation } = await ask(store, queue, id, { kind: later });
        expect([outcome, operation.id, operation.params]).toEqual([
          "joined",
          removal.operation.id,
          { purge: false },
        ]);
      }
      expect(await queue.cancel(removal.operation.id, { actor: "admin" })).toMatchObject({
        state: "waiting",
        kind: "remove",
      });
    });

    it("a removal that runs is joined, and followed only by one that removes more", async () => {
      const id = await addWorkspace(store, { status: "removed" });
      const first = await ask(store, queue, id, { kind: "remove", params: { purge: false } });
      await begin(first.operation.id);
      const same = await ask(store, queue, id, { kind: "remove", params: { purge: false } });
      expect([same.outcome, same.operation.id]).toEqual(["joined", first.operation.id]);
      const more = await ask(store, queue, id, { kind: "remove", params: { purge: true } });
      expect(more).toMatchObject({ outcome: "follows", operation: { params: { purge: true } } });
    });

    it("nothing but its removal is asked of a removed workspace, and nothing of an unknown one", async () => {
      const removed = await addWorkspace(store, { status: "removed" });
      for (const id of [removed, randomUUID()]) {
        await expect(ask(store, queue, id, { kind: "restart" })).rejects.toMatchObject({
          code: "ERR_NOT_FOUND",
        });
      }
      await expect(ask(store, queue, removed, { kind: "remove" })).resolves.toMatchObject({
        outcome: "created",
      });
    });

    it("requests at the same moment, in any lock order of their callers, never fail", async () => {
      const id = await addWorkspace(store, { status: "online" });
      const others = [store, await home.another()];
      const kinds = ["restart", "pause", "hibernate", "restart", "provision"] as const;
      const requests = Array.from({ length: 40 }, (_, at) => {
        const mine = others[at % others.length] ?? store;
        const kind = kinds[at % kinds.length] ?? "restart";
        return mine.db.transaction(async (tx) => {
          if (at % 2 === 0) await transition(tx, id, at % 4 === 0 ? "restart" : "lose");
          const { events: told, operation } = await queue.request(tx, {
            workspaceId: id,
            runtime: "langgraph",
            kind,
            hostId: undefined,
            requestedBy: "admin",
          });
          await recordEvents(tx, told);
          return operation;
        });
      });
      await Promise.all(requests);
      const open = (await rowsOf(id)).filter(({ state }) => state === "queued");
      expect(open).toHaveLength(1);
    });

    it("the database itself refuses a second open operation of a workspace", async () => {
      const id = await addWorkspace(store);
      await ask(store, queue, id);
      const insert = store.db.insert(operations).values({
        id: randomUUID(),
        workspaceId: id,
        runtime: "langgraph",
        kind: "pause",
        state: "running",
        requestedBy: "admin",
      });
      await expect(insert).rejects.toThrow();
    });

    it("a cancel ends what is queued at once, and tells the runner", async () => {
      const id = await addWorkspace(store);
      const { operation } = await ask(store, queue, id);
      const row = await queue.cancel(operation.id, { actor: "workspace:x", requestId: "r1" });
      expect(row).toMatchObject({ state: "cancelled", errorCode: "ERR_OPERATION_CANCELLED" });
      expect(runner.finished).toMatchObject([
        { operation: { id: operation.id }, ending: { state: "cancelled" }, next: undefined },
      ]);
      const [last] = (await store.db.select().from(events).orderBy(events.id)).slice(-1);
      expect(last).toMatchObject({
        eventType: "OPERATION_CANCELLED",
        actor: "workspace:x",
        requestId: "r1",
      });
    });

    it("a cancel of what waits leaves the one before it alone", async () => {
      const id = await addWorkspace(store);
      const first = await ask(store, queue, id, { kind: "restart" });
      await begin(first.operation.id);
      const second = await ask(store, queue, id, { kind: "restart" });
      await queue.cancel(second.operation.id, { actor: "admin" });
      expect((await rowsOf(id)).map(({ state }) => state)).toEqual(["running", "cancelled"]);
    });

    it("a pause is not cancelled: the workspace is told to be paused already", async () => {
      const id = await addWorkspace(store);
      const { operation } = await ask(store, queue, id, { kind: "pause" });
      expect(await queue.cancel(operation.id, { actor: "admin" })).toMatchObject({
        state: "queued",
      });
      await begin(operation.id);
      expect(await queue.cancel(operation.id, { actor: "admin" })).toMatchObject({
        state: "running",
        cancelRequestedAt: null,
      });
    });

    it("a cancel of what runs is a request, made once", async () => {
      const id = await addWorkspace(store);
      const { operation } = await ask(store, queue, id);
      await begin(operation.id);
      const row = await queue.cancel(operation.id, { actor: "admin" });
      expect(row).toMatchObject({ state: "running", cancelReason: "cancelled by admin" });
      const again = await queue.cancel(operation.id, { actor: "workspace:x" });
      expect(again).toEqual(row);
      expect(runner.finished).toEqual([]);
    });

    it("a cancel of what has ended, or is unknown, changes nothing", async () => {
      const id = await addWorkspace(store);
      const { operation } = await ask(store, queue, id);
      await store.db
        .update(operations)
        .set({ state: "succeeded" })
        .where(eq(operations.id, operation.id));
      expect(await queue.cancel(operation.id, { actor: "admin" })).toMatchObject({
        state: "succeeded",
      });
      expect(await queue.cancel(randomUUID(), { actor: "admin" })).toBeUndefined();
    });

    it("places are counted in the order of requests, for starts and stops apart", async () => {
      const ids: string[] = [];
      for (const kind of ["provision", "pause", "restart", "resume"] as const) {
        const { operation } = await ask(store, queue, await addWorkspace(store), { kind });
        ids.push(operation.id);
      }
      const places = await Promise.all(ids.map((id) => queue.position(id)));
      expect(places).toEqual([
        { position: 1, queued: 3 },
        { position: 1, queued: 1 },
        { position: 2, queued: 3 },
        { position: 3, queued: 3 },
      ]);
      await begin(ids[0] ?? "");
      expect(await queue.position(ids[2] ?? "")).toEqual({ position: 1, queued: 2 });
      expect(await queue.position(ids[0] ?? "")).toEqual({ position: undefined, queued: 2 });
      expect(await queue.position(randomUUID())).toEqual({ position: undefined, queued: 0 });
    });

    it("who waits for an end is told of it, also when no notification came", async () => {
      const id = await addWorkspace(store);
      const { operation } = await ask(store, queue, id);
      const told = queue.settled(operation.id, { signal: AbortSignal.timeout(10_000) });
      await queue.cancel(operation.id, { actor: "admin" });
      expect(await told).toMatchObject({ state: "cancelled" });

      const silent = await ask(store, queue, id);
      const seen = queue.settled(silent.operation.id, { signal: AbortSignal.timeout(10_000) });
      await store.db
        .update(operations)
        .set({ state: "succeeded" })
        .where(eq(operations.id, silent.operation.id));
      expect(await seen).toMatchObject({ state: "succeeded" });
    });

    it("who waits too long gets the row as it is", async () => {
      const { operation } = await ask(store, queue, await addWorkspace(store));
      const row = await queue.settled(operation.id, { signal: AbortSignal.timeout(30) });
      expect(row).toMatchObject({ state: "queued" });
      expect(await queue.settled(randomUUID(), { signal: AbortSignal.abort() })).toBeUndefined();
    });
  });
});
