import { eq } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { operations, workspaces } from "../store/schema.js";
import type { OperationQueue } from "../operations/operation.js";
import { createProvisionDeadlinesLoop } from "./provision-deadlines.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop provision-deadlines", () => {
    let fixture: LoopFixture;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    function run(env: Record<string, string> = {}, templates: Record<string, number> = {}) {
      const context = fixture.context(env);
      const provisionTimeouts = () => Promise.resolve(new Map(Object.entries(templates)));
      return createProvisionDeadlinesLoop({
        ...context,
        operations: withWorker(context.operations),
        templates: { ...context.templates, provisionTimeouts },
      }).run({ signal });
    }

    /** What is cancelled while it runs ends soon after. */
    function withWorker(queue: OperationQueue): OperationQueue {
      return {
        ...queue,
        async cancel(id, by) {
          const row = await queue.cancel(id, by);
          await fixture.store.db
            .update(operations)
            .set({ state: "cancelled", finishedAt: new Date() })
            .where(eq(operations.id, id));
          return row;
        },
      };
    }

    /** A provision that a worker took so long ago, and that has done nothing since. */
    async function addStuck(runtime: string, seconds: number): Promise<string> {
      const since = ago(seconds * 1000);
      const id = await fixture.addWorkspace({
        runtime,
        status: "provisioning",
        provisionStartedAt: since,
        createdAt: since,
      });
      await fixture.addOperation(id, {
        runtime,
        state: "running",
        createdAt: since,
        startedAt: since,
        progressAt: since,
      });
      return id;
    }

    async function failures() {
      return (await fixture.events()).filter(({ type }) => type === "WORKSPACE_PROVISION_FAILED");
    }

    it("fails a provision without progress, ends its operation and says so once", async () => {
      const id = await addStuck("claude-code", 700);
      expect(await run()).toEqual({ provisioning: 1, cancelled: 1, failed: 1 });
      expect(await fixture.statusOf(id)).toBe("failed");
      expect(await fixture.operationsOf(id)).toMatchObject([{ state: "cancelled" }]);
      expect(await failures()).toEqual([
        {
          type: "WORKSPACE_PROVISION_FAILED",
          workspaceId: id,
          payload: {
            error: expect.stringContaining("600 s") as string,
            timeout_secs: 600,
            runtime: "claude-code",
            source: "provision_timeout_sweep",
          },
        },
      ]);
      expect(await run()).toEqual({ provisioning: 0, cancelled: 0, failed: 0 });
    });

    it("gives hermes half an hour", async () => {
      const early = await addStuck("hermes", 660);
      const late = await addStuck("hermes", 1860);
      await run();
      expect(await fixture.statusOf(early)).toBe("provisioning");
      expect(await fixture.statusOf(late)).toBe("failed");
      expect((await failures())[0]?.payload).toMatchObject({
        runtime: "hermes",
        timeout_secs: 1800,
      });
    });

    it("fails each of several, and nothing when nothing is stuck", async () => {
      expect(await run()).toEqual({ provisioning: 0, cancelled: 0, failed: 0 });
      await addStuck("claude-code", 700);
      await addStuck("hermes", 1860);
      expect(await run()).toMatchObject({ failed: 2 });
      expect(await failures()).toHaveLength(2);
    });

    it("takes the time from the environment, and else from the templates", async () => {
      const id = await addStuck("hermes", 70);
      await run({ PROVISION_TIMEOUT_SECONDS: "not-a-number" });
      expect(await fixture.statusOf(id)).toBe("provisioning");
      await run({ PROVISION_TIMEOUT_SECONDS: "60" });
      expect(await fixture.statusOf(id)).toBe("failed");
      const other = await addStuck("langgraph", 70);
      await run({}, { langgraph: 65_000 });
      expect(await fixture.statusOf(other)).toBe("failed");
    });

    it("is not put off by a change of the row, only by progress of the operation", async () => {
      const renamed = await addStuck("langgraph", 700);
      const busy = await addStuck("langgraph", 700);
      await fixture.store.db
        .update(workspaces)
        .set({ name: "another", updatedAt: new Date() })
        .where(eq(workspaces.id, renamed));
      await fixture.store.db
        .update(operations)
        .set({ progressAt: ago(1000) })
        .where(eq(operations.workspaceId, busy));
      await run();
      expect(await fixture.statusOf(renamed)).toBe("failed");
      expect(await fixture.statusOf(busy)).toBe("provisioning");
    });

    it("leaves a build half an hour without a line", async () => {
      const id = await addStuck("langgraph", 700);
      await fixture.store.db
        .update(operations)
        .set({ stage: "build" })
        .where(eq(operations.workspaceId, id));
      expect(await run()).toMatchObject({ cancelled: 0 });
    });

    it("leaves what waits for its turn in a queue that moves", async () => {
      const id = await fixture.addWorkspace({ status: "provisioning", createdAt: ago(3_600_000) });
      await fixture.addOperation(id, { state: "queued", createdAt: ago(3_600_000) });
      const other = await fixture.addWorkspace();
      await fixture.addOperation(other, { finishedAt: ago(1000) });
      expect(await run()).toMatchObject({ cancelled: 0, failed: 0 });
    });

    it("fails what lost its operation, after a minute", async () => {
      const fresh = await fixture.addWorkspace({ status: "provisioning", createdAt: ago(30_000) });
      const lost = await fixture.addWorkspace({ status: "provisioning", createdAt: ago(90_000) });
      const ended = await fixture.addWorkspace({ status: "provisioning", createdAt: ago(90_000) });
      await fixture.addOperation(ended, { finishedAt: ago(5_000) });
      expect(await run()).toMatchObject({ cancelled: 0, failed: 1 });
      expect(await fixture.statusOf(lost)).toBe("failed");
      expect(await fixture.statusOf(fresh)).toBe("provisioning");
      expect(await fixture.statusOf(ended)).toBe("provisioning");
    });

    it("leaves what made progress between two looks", async () => {
      const id = await addStuck("langgraph", 700);
      const context = fixture.context();
      const { db } = context.store;
      const loop = createProvisionDeadlinesLoop({
        ...context,
        store: {
          ...context.store,
          db: new Proxy(db, {
            get(target, key) {
              if (key !== "transaction") return Reflect.get(target, key) as unknown;
              return async (work: Parameters<typeof db.transaction>[0]) => {
                await db.update(operations).set({ progressAt: new Date() });
                return db.transaction(work);
              };
            },
          }),
        },
      });
      expect(await loop.run({ signal })).toEqual({ provisioning: 1, cancelled: 0, failed: 0 });
      expect(await fixture.statusOf(id)).toBe("provisioning");
      expect(await failures()).toEqual([]);
    });

    it("leaves every other status and external agents alone", async () => {
      const since = ago(7_200_000);
      for (const status of ["awaiting_agent", "online", "offline", "paused", "removed"] as const) {
        await fixture.addWorkspace({ status, createdAt: since, provisionStartedAt: since });
      }
      await fixture.addWorkspace({ status: "provisioning", runtime: "external", createdAt: since });
      expect(await run()).toEqual({ provisioning: 0, cancelled: 0, failed: 0 });
    });
  });
});
