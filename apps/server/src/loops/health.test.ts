import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { createMemoryHost, type MemoryHost } from "../../test/support/memory-host.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import { transition } from "../store/workspaces.js";
import { createHealthLoop } from "./health.js";
import { MOST_RECOVERIES } from "./plan-recovery.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop health", () => {
    let fixture: LoopFixture;
    let host: MemoryHost;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    beforeEach(() => {
      host = createMemoryHost();
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    function createLoop() {
      return createHealthLoop(fixture.context(), host.host);
    }

    /** A workspace with a container that runs. */
    async function addRunning(
      values: Parameters<LoopFixture["addWorkspace"]>[0] = {},
    ): Promise<string> {
      const id = randomUUID();
      const { url } = await host.host.provisioner.up({
        id,
        name: "w",
        runtime: "langgraph",
        tier: 2,
      });
      return fixture.addWorkspace({ id, url, urlTrusted: true, ...values });
    }

    async function eventTypes(): Promise<string[]> {
      return (await fixture.events()).map(({ type }) => type);
    }

    /** Ends what is queued for a workspace, as a worker would that brought it back. */
    async function finishRestart(id: string, endedMsAgo: number): Promise<void> {
      await fixture.store.db.execute(sql`
    update operations set state = 'succeeded', finished_at = ${ago(endedMsAgo).toISOString()}
    where workspace_id = ${id} and state = 'queued'`);
      await transition(fixture.store.db, id, "ready");
    }

    describe("a workspace that was lost", () => {
      it("is made again: offline, its event, and the restart are one change", async () => {
        const id = await addRunning();
        const well = await addRunning();
        host.vanish(id);
        expect(await createLoop().run({ signal })).toMatchObject({
          looked_at: 2,
          lost: 1,
          restarted: 1,
        });
        expect(await fixture.statusOf(id)).toBe("provisioning");
        expect(await fixture.statusOf(well)).toBe("online");
        expect(await fixture.operationsOf(id)).toMatchObject([
          { kind: "restart", state: "queued" },
        ]);
        expect(await eventTypes()).toEqual([
          "WORKSPACE_OFFLINE",
          "WORKSPACE_PROVISIONING",
          "OPERATION_QUEUED",
        ]);
      });

      it("says how its process ended, without secrets of the log", async () => {
        const id = await addRunning({ status: "degraded" });
        host.write(id, "boom at https://user:hunter2@example.com/");
        host.exit(id, 3);
        await createLoop().run({ signal });
        const [offline] = await fixture.events();
        expect(offline?.payload).toMatchObject({ exit_code: 3, source: "health" });
        expect(String(offline?.payload["reason"])).toMatch(/exit code 3\. Its last line: boom at/);
        expect(JSON.stringify(offline)).not.toContain("hunter2");
      });

      it("waits before it is restarted once more, and is given up after the last time", async () => {
        const id = await addRunning();
        const loop = createLoop();
        host.write(id, "cannot read config");
        for (let restart = 1; restart <= MOST_RECOVERIES; restart += 1) {
          host.exit(id, 1);
          expect(await loop.run({ signal })).toMatchObject({ restarted: 1 });
          await finishRestart(id, 60_000);
          host.workspaces.get(id)!.status = "running";
        }
        host.exit(id, 1);
        expect(await createLoop().run({ signal })).toMatchObject({
          lost: 1,
          gave_up: 1,
          restarted: 0,
        });
        expect(await fixture.statusOf(id)).toBe("failed");
        const last = (await fixture.events()).at(-1);
        expect(last).toMatchObject({
          type: "WORKSPACE_PROVISION_FAILED",
          payload: { exit_code: 1, log_tail: "cannot read config", restarts: MOST_RECOVERIES },
        });
        expect(await createLoop().run({ signal })).toMatchObject({ looked_at: 0 });
      });

      it("stays offline until its wait is over", async () => {
        const id = await addRunning();
        host.exit(id, 1);
        await createLoop().run({ signal });
        await finishRestart(id, 0);
        expect(await createLoop().run({ signal })).toMatchObject({
          lost: 1,
          waiting: 1,
          restarted: 0,
        });
        expect(await fixture.statusOf(id)).toBe("offline");
        await fixture.store.db.execute(
          sql`update operations set finished_at = now() - interval '1 minute'`,
        );
        expect(await createLoop().run({ signal })).toMatchObject({ lost: 0, restarted: 1 });
        expect(await fixture.statusOf(id)).toBe("provisioning");
      });

      it("is online again when its container runs after all, where it is reached now", async () => {
        const id = await addRunning({ status: "offline", url: "http://127.0.0.1:1" });
        expect(await createLoop().run({ signal })).toMatchObject({ restored: 1 });
        expect(await fixture.statusOf(id)).toBe("online");
        expect(await eventTypes()).toEqual(["WORKSPACE_ONLINE"]);
        expect(await urlOf(id)).toBe(host.workspaces.get(id)?.url);
      });
    });

    async function urlOf(id: string): Promise<unknown> {
      const { rows } = (await fixture.store.db.execute(
        sql`select url from workspaces where id = ${id}`,
      )) as unknown as { rows: { url: string }[] };
      return rows[0]?.url;
    }

    it("stores where a container is reached that the engine gave another port", async () => {
      const id = await addRunning({ url: "http://127.0.0.1:1" });
      const loop = createLoop();
      expect(await loop.run({ signal })).toMatchObject({ moved: 1 });
      expect(await urlOf(id)).toBe(host.workspaces.get(id)?.url);
      expect(await eventTypes()).toEqual(["WORKSPACE_UPDATED"]);
      expect(await createLoop().run({ signal })).toMatchObject({ moved: 0 });
    });

    describe("doubt", () => {
      it("takes nobody for lost while the engine does not answer, and says so", async () => {
        const id = await addRunning();
        host.vanish(id);
        host.disconnect();
        const loop = createLoop();
        await expect(loop.run({ signal })).rejects.toThrow(/does not answer/);
        expect(await fixture.statusOf(id)).toBe("online");
        host.reconnect();
        expect(await loop.run({ signal })).toMatchObject({ lost: 1 });
      });

      it("leaves one workspace that cannot be looked at, and still sees to the others", async () => {
        const [unclear, lost] = [await addRunning(), await addRunning()];
        host.vanish(unclear);
        host.vanish(lost);
        host.before("inspect", ({ subject }) => {
          if (subject === unclear) throw new Error("unexpected EOF");
        });
        expect(await createLoop().run({ signal })).toMatchObject({ doubts: 1, lost: 1 });
        expect(await fixture.statusOf(unclear)).toBe("online");
        expect(await fixture.statusOf(lost)).toBe("provisioning");
      });

      it("asks for one workspace before it believes that a list misses it", async () => {
        const id = await addRunning();
        const { backend } = host.host;
        const forgetful = {
          ...host.host,
          backend: { ...backend, list: () => Promise.resolve([]) },
        };
        const loop = createHealthLoop(fixture.context(), forgetful);
        expect(await loop.run({ signal })).toMatchObject({ lost: 0 });
        expect(await fixture.statusOf(id)).toBe("online");
      });

      it("does not judge a container that somebody paused", async () => {
        const id = await addRunning();
        await host.host.backend.pause(id);
        expect(await createLoop().run({ signal })).toMatchObject({ unclear: 1, lost: 0 });
      });
    });

    describe("a workspace that is none of its business", () => {
      it.each<WorkspaceStatus>([
        "provisioning",
        "awaiting_agent",
        "failed",
        "paused",
        "hibernating",
        "hibernated",
        "removed",
      ])("is left alone when it is %s", async (status) => {
        const id = await fixture.addWorkspace({ status });
        expect(await createLoop().run({ signal })).toMatchObject({ looked_at: 0 });
        expect(await fixture.statusOf(id)).toBe(status);
      });

      it("is left alone when it lives on another engine, on none yet, or is external", async () => {
        await fixture.addWorkspace({ hostId: "another" });
        await fixture.addWorkspace({ hostId: null });
        await fixture.addWorkspace({ runtime: "external" });
        expect(await createLoop().run({ signal })).toMatchObject({ looked_at: 0 });
      });

      it.each(["waiting", "queued", "running"] as const)(
        "is left alone while an operation is %s",
        async (state) => {
          const id = await fixture.addWorkspace();
          await fixture.addOperation(id, { kind: "restart", state });
          expect(await createLoop().run({ signal })).toMatchObject({ looked_at: 0 });
          expect(await fixture.statusOf(id)).toBe("online");
        },
      );

      it("is left alone below a paused one", async () => {
        const top = await fixture.addWorkspace({ status: "paused" });
        const middle = await addRunning({ parentId: top });
        const id = await fixture.addWorkspace({ parentId: middle });
        expect(await createLoop().run({ signal })).toMatchObject({ lost: 0, restarted: 0 });
        expect(await fixture.statusOf(id)).toBe("online");
        expect(await fixture.events()).toEqual([]);
      });
    });

    describe("a change while a look is under way", () => {
      /** Runs a look that, before it asks the engine at `point`, lets `change` happen. */
      async function lookDuring(
        point: "list" | "inspect" | "logs",
        change: () => Promise<void>,
      ): Promise<void> {
        const undo = host.before(point, async () => {
          undo();
          await change();
        });
        await createLoop().run({ signal });
      }

      it.each(["list", "inspect", "logs"] as const)(
        "keeps a workspace paused that was paused at the %s",
        async (point) => {
          const id = await addRunning();
          if (point !== "list") host.exit(id, 0);
          await lookDuring(point, async () => {
            await transition(fixture.store.db, id, "pause");
            await host.host.backend.stop(id);
          });
          expect(await fixture.statusOf(id)).toBe("paused");
          expect(await fixture.operationsOf(id)).toEqual([]);
          expect(await fixture.events()).toEqual([]);
        },
      );

      it("keeps a workspace removed that was removed meanwhile", async () => {
        const id = await addRunning();
        await lookDuring("list", async () => {
          await transition(fixture.store.db, id, "remove");
          await host.host.backend.remove(id);
        });
        expect(await fixture.statusOf(id)).toBe("removed");
        expect(await fixture.operationsOf(id)).toEqual([]);
      });

      it("leaves a workspace to the operation that was asked for meanwhile", async () => {
        const id = await addRunning();
        host.vanish(id);
        await lookDuring("inspect", async () => {
          await fixture.addOperation(id, { kind: "restart", state: "queued" });
        });
        expect(await fixture.statusOf(id)).toBe("online");
        expect(await fixture.operationsOf(id)).toHaveLength(1);
      });

      it("leaves a workspace that was restarted from start to end meanwhile", async () => {
        const id = await addRunning();
        host.exit(id, 1);
        await lookDuring("logs", async () => {
          await transition(fixture.store.db, id, "restart");
          await transition(fixture.store.db, id, "ready");
        });
        expect(await fixture.statusOf(id)).toBe("online");
        expect(await fixture.operationsOf(id)).toEqual([]);
      });

      it("leaves a workspace whose ancestor was paused meanwhile", async () => {
        const parentId = await addRunning();
        const id = await addRunning({ parentId });
        host.vanish(id);
        await lookDuring("inspect", async () => {
          await transition(fixture.store.db, parentId, "pause");
        });
        expect(await fixture.statusOf(id)).toBe("online");
      });
    });

    it("looks only at what the engine told of, and asks for a run at once", async () => {
      const [lost, unnoticed] = [await addRunning(), await addRunning()];
      const loop = createLoop();
      await loop.run({ signal });
      const watching = new AbortController();
      let wakes = 0;
      const watched = loop.watch?.({ signal: watching.signal, wake: () => void (wakes += 1) });
      await vi.waitFor(() => expect(wakes).toBe(1), 10_000);
      // It lists all when the watch begins: some notices may have been missed.
      expect(await loop.run({ signal })).toMatchObject({ looked_at: 2 });
      host.vanish(lost);
      await vi.waitFor(() => expect(wakes).toBe(2), 10_000);
      let lists = 0;
      host.before("list", () => void (lists += 1));
      expect(await loop.run({ signal })).toMatchObject({ looked_at: 1, lost: 1, restarted: 1 });
      expect(lists).toBe(0);
      expect(await fixture.statusOf(unnoticed)).toBe("online");
      watching.abort();
      await watched;
    });
  });
});
