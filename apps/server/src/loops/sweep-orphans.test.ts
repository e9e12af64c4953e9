import type { OwnedResource } from "@molecule-ai/provisioner-core";
import { eq, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { createMemoryHost, type MemoryHost } from "../../test/support/memory-host.js";
import { serverInstances, workspaces } from "../store/schema.js";
import { noteDatabaseAge, readDatabaseAge } from "./database-age.js";
import { createOrphansLoop } from "./orphans.js";
import { isRetryDue } from "./retry-delay.js";
import { sweepOrphans } from "./sweep-orphans.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop orphans", () => {
    let fixture: LoopFixture;
    let host: MemoryHost;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    beforeEach(async () => {
      host = createMemoryHost();
      // What the memory host holds was made at 0.
      await fixture.store.db.execute(
        sql`insert into settings (key, value) values ('database_created_at', '-1')`,
      );
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    async function addContainer(id: string = randomUUID()): Promise<string> {
      await host.host.provisioner.up({ id, name: "w", runtime: "langgraph", tier: 2 });
      return id;
    }

    function sweep(more: { isDryRun?: boolean; hostId?: string } = {}) {
      const { backend, id: hostId } = host.host;
      const { db } = fixture.store;
      return sweepOrphans({ db, backend, hostId, isDryRun: false, signal, ...more });
    }

    function runLoop(mode?: string) {
      const env: Record<string, string> = mode === undefined ? {} : { MOLECULE_ORPHAN_SWEEP: mode };
      return createOrphansLoop(fixture.context(env), host.host).run({ signal });
    }

    const exists = (id: string): { container: boolean; storage: boolean } => ({
      container: host.workspaces.has(id),
      storage: host.storage.has(id),
    });

    describe("a sweep", () => {
      it("removes container and storage of a deleted workspace, and nothing of a wanted one", async () => {
        const gone = await addContainer();
        await fixture.addWorkspace({ id: gone, status: "removed" });
        const wanted = await addContainer();
        await fixture.addWorkspace({ id: wanted, status: "failed" });
        await sweep();
        expect(exists(gone)).toEqual({ container: false, storage: false });
        expect(exists(wanted)).toEqual({ container: true, storage: true });
      });

      it("removes a container that no row is known of, and leaves its storage", async () => {
        await fixture.addWorkspace();
        const unknown = await addContainer();
        await sweep();
        expect(exists(unknown)).toEqual({ container: false, storage: true });
      });

      it("keeps the storage of a deleted workspace that was to keep it", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, status: "removed", keepVolumes: true });
        await sweep();
        expect(exists(id)).toEqual({ container: false, storage: true });
      });

      it("removes nothing at all with an empty database", async () => {
        const id = await addContainer();
        const { removed, kept } = await sweep();
        expect(removed).toEqual([]);
        expect(kept.map(({ reason }) => reason)).toContain(
          "the database knows no workspace at all",
        );
        expect(exists(id)).toEqual({ container: true, storage: true });
      });

      it("removes nothing that is older than the database", async () => {
        await fixture.store.db.execute(sql`update settings set value = '1'`);
        await fixture.addWorkspace();
        const id = await addContainer();
        expect((await sweep()).removed).toEqual([]);
        expect(exists(id)).toEqual({ container: true, storage: true });
      });

      it("leaves a deleted workspace to its removal while that is under way", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, status: "removed" });
        await fixture.addOperation(id, { kind: "remove", state: "running" });
        expect((await sweep()).removed).toEqual([]);
        const purged = await addContainer();
        await fixture.addOperation(purged, { kind: "remove", state: "queued" });
        expect((await sweep()).removed).toEqual([]);
      });

      it("keeps storage when the container cannot be removed, and goes on with the others", async () => {
        const [stuck, gone] = [await addContainer(), await addContainer()];
        for (const id of [stuck, gone]) await fixture.addWorkspace({ id, status: "removed" });
        host.before("remove", ({ subject }) => {
          if (subject === stuck) throw new Error("it does not stop");
        });
        const { failed, kept } = await sweep();
        expect(failed).toMatchObject([
          { kind: "workspace", workspaceId: stuck, code: "ERR_INTERNAL" },
        ]);
        expect(kept).toMatchObject([{ kind: "volume", reason: "its workspace stays" }]);
        expect(exists(stuck)).toEqual({ container: true, storage: true });
        expect(exists(gone)).toEqual({ container: false, storage: false });
      });

      it("goes on when storage of one workspace cannot be removed", async () => {
        const [stuck, gone] = [await addContainer(), await addContainer()];
        for (const id of [stuck, gone]) await fixture.addWorkspace({ id, status: "removed" });
        host.before("remove", ({ subject }) => {
          if (subject === stuck && !host.workspaces.has(stuck)) throw new Error("volume in use");
        });
        expect((await sweep()).failed).toHaveLength(1);
        expect(exists(stuck)).toEqual({ container: false, storage: true });
        expect(exists(gone)).toEqual({ container: false, storage: false });
      });

      it("removes nothing when the engine or the database does not answer", async () => {
        const id = await addContainer();
        host.disconnect();
        await expect(sweep()).rejects.toThrow(/does not answer/);
        host.reconnect();
        const { backend, id: hostId } = host.host;
        const db = new Proxy(fixture.store.db, {
          get() {
            throw new Error("no way to the database");
          },
        });
        await expect(
          sweepOrphans({ db, backend, hostId, isDryRun: false, signal }),
        ).rejects.toThrow();
        expect(exists(id)).toEqual({ container: true, storage: true });
      });

      it("asks the database nothing when there is nothing", async () => {
        const db = new Proxy(fixture.store.db, {
          get() {
            throw new Error("asked");
          },
        });
        const { backend, id: hostId } = host.host;
        const report = await sweepOrphans({ db, backend, hostId, isDryRun: false, signal });
        expect(report).toEqual({ removed: [], kept: [], failed: [] });
      });

      it("leaves what is labelled with something that is no workspace id", async () => {
        await fixture.addWorkspace();
        const odd = [
          "not_a_uuid",
          "a%b",
          "",
          "../escape",
          "valid-but-no-workspace",
          "%",
          "abc123def456",
        ];
        const resources = odd.map((workspaceId): OwnedResource => ({
          kind: "workspace",
          name: `ws-${workspaceId}`,
          workspaceId,
          createdAt: 0,
          running: true,
        }));
        const { removed } = await sweepOrphans({
          db: fixture.store.db,
          backend: {
            listOwned: () => Promise.resolve(resources),
            removeOwned: () => Promise.reject(new Error("must not be called")),
          },
          hostId: "memory-engine",
          isDryRun: false,
          signal,
        });
        expect(removed).toEqual([]);
      });

      it("removes the container a workspace left behind only while its new engine is alive", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, hostId: "another" });
        // The id of this very engine may have changed.
        expect((await sweep()).removed).toEqual([]);
        await fixture.store.db
          .insert(serverInstances)
          .values({ id: randomUUID(), hostId: "another" });
        await sweep();
        expect(exists(id)).toEqual({ container: false, storage: true });
      });

      it("only says what it would do in a dry run", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, status: "removed" });
        const { removed } = await sweep({ isDryRun: true });
        expect(removed.map(({ kind }) => kind)).toEqual(["workspace", "volume"]);
        expect(exists(id)).toEqual({ container: true, storage: true });
      });
    });

    describe("the loop orphans", () => {
      it("records what it did, and nothing when it did nothing", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, status: "removed" });
        expect(await runLoop()).toMatchObject({ mode: "on", removed: 2, failed: 0 });
        const events = await fixture.events();
        expect(events).toMatchObject([{ type: "ORPHANS_SWEPT", payload: { removed: 2 } }]);
        expect(await runLoop()).toMatchObject({ removed: 0 });
        expect(await fixture.events()).toHaveLength(1);
      });

      it("does nothing when it is off, and says what it would do when it only tries", async () => {
        const id = await addContainer();
        await fixture.addWorkspace({ id, status: "removed" });
        expect(await runLoop("off")).toMatchObject({ mode: "off" });
        expect(await runLoop("dry-run")).toMatchObject({ mode: "dry-run", removed: 2 });
        expect(exists(id)).toEqual({ container: true, storage: true });
        expect(await fixture.events()).toEqual([]);
      });

      it("asks again for a removal that failed, as it was asked for, after a while", async () => {
        const id = await fixture.addWorkspace({ status: "removed" });
        const failed = {
          kind: "remove",
          state: "failed",
          params: { keepVolumes: true, purge: true },
        } as const;
        await fixture.addOperation(id, { ...failed, finishedAt: ago(1000) });
        expect(await runLoop()).toMatchObject({ removals_retried: 0 });
        await fixture.store.db.execute(
          sql`update operations set finished_at = now() - interval '2 minutes'`,
        );
        expect(await runLoop()).toMatchObject({ removals_retried: 1 });
        expect(await fixture.operationsOf(id)).toMatchObject([
          { state: "failed" },
          { kind: "remove", state: "queued", params: failed.params },
        ]);
        expect(await runLoop()).toMatchObject({ removals_retried: 0 });
      });

      it("asks for the removal of a deleted workspace that never had one", async () => {
        const id = await fixture.addWorkspace({
          status: "removed",
          removedAt: ago(120_000),
          hostId: null,
        });
        await fixture.addWorkspace({
          status: "removed",
          removedAt: ago(120_000),
          runtime: "external",
        });
        const longPast = ago(9 * 24 * 3_600_000);
        await fixture.addWorkspace({ status: "removed", removedAt: longPast, updatedAt: longPast });
        expect(await runLoop()).toMatchObject({ removals_retried: 1 });
        expect(await fixture.operationsOf(id)).toMatchObject([{ kind: "remove" }]);
      });

      it("does not ask again once a removal succeeded, nor for workspaces of other engines", async () => {
        const done = await fixture.addWorkspace({ status: "removed" });
        await fixture.addOperation(done, {
          kind: "remove",
          state: "failed",
          finishedAt: ago(7_200_000),
        });
        await fixture.addOperation(done, { kind: "remove", finishedAt: ago(3_600_000) });
        const elsewhere = await fixture.addWorkspace({ status: "removed", hostId: "another" });
        await fixture.addOperation(elsewhere, {
          kind: "remove",
          state: "failed",
          finishedAt: ago(7_200_000),
        });
        expect(await runLoop()).toMatchObject({ removals_retried: 0 });
      });

      it("asks again for a pause that failed, for as long as the workspace is paused", async () => {
        const { db } = fixture.store;
        const failed = { kind: "pause", state: "failed", finishedAt: ago(7_200_000) } as const;
        const add = async (status: "paused" | "online"): Promise<string> => {
          const id = await fixture.addWorkspace({ status });
          const lastOperationId = await fixture.addOperation(id, failed);
          await db.update(workspaces).set({ lastOperationId }).where(eq(workspaces.id, id));
          return id;
        };
        const paused = await add("paused");
        const resumed = await add("online");
        expect(await runLoop()).toMatchObject({ pauses_retried: 1 });
        expect(await fixture.statusOf(paused)).toBe("paused");
        expect(await fixture.operationsOf(paused)).toMatchObject([
          { state: "failed" },
          { kind: "pause", state: "queued" },
        ]);
        expect(await fixture.operationsOf(resumed)).toHaveLength(1);
        expect(await runLoop()).toMatchObject({ pauses_retried: 0 });
      });

      it("stops what is paused and was last asked to start", async () => {
        const { db } = fixture.store;
        for (const state of ["cancelled", "succeeded"] as const) {
          const id = await fixture.addWorkspace({ status: "paused" });
          const resumed = { kind: "resume", state, finishedAt: ago(7_200_000) } as const;
          const lastOperationId = await fixture.addOperation(id, resumed);
          await db.update(workspaces).set({ lastOperationId }).where(eq(workspaces.id, id));
        }
        expect(await runLoop()).toMatchObject({ pauses_retried: 2 });
        expect(await runLoop()).toMatchObject({ pauses_retried: 0 });
      });

      it("retries removals although the sweep fails", async () => {
        const id = await fixture.addWorkspace({ status: "removed" });
        await fixture.addOperation(id, {
          kind: "remove",
          state: "failed",
          finishedAt: ago(7_200_000),
        });
        host.disconnect();
        await expect(runLoop()).rejects.toThrow(/does not answer/);
        expect(await fixture.operationsOf(id)).toHaveLength(2);
      });
    });

    describe("isRetryDue", () => {
      it("waits a minute, then twice as long each time, and never gives up", () => {
        expect(isRetryDue(1, 59_999)).toBe(false);
        expect(isRetryDue(1, 60_000)).toBe(true);
        expect(isRetryDue(3, 239_999)).toBe(false);
        expect(isRetryDue(3, 240_000)).toBe(true);
        expect(isRetryDue(1000, 3_600_000)).toBe(true);
      });
    });

    describe("the age of the database", () => {
      it("is noted once", async () => {
        const { db } = fixture.store;
        await db.execute(sql`delete from settings`);
        // Never noted: everything is older.
        const unknown = await readDatabaseAge(db);
        expect(unknown.databaseCreatedAt).toBe(unknown.now);
        await noteDatabaseAge(db);
        const { databaseCreatedAt } = await readDatabaseAge(db);
        await db.insert(workspaces).values({
          id: randomUUID(),
          name: "w",
          tier: 2,
          status: "online",
          runtime: "langgraph",
          createdBy: "admin",
        });
        await noteDatabaseAge(db);
        expect((await readDatabaseAge(db)).databaseCreatedAt).toBe(databaseCreatedAt);
        expect(databaseCreatedAt).toBeLessThanOrEqual((await readDatabaseAge(db)).now);
      });
    });
  });
});
