import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { queryRows } from "../store/database.js";
import {
  buildLogs,
  builds,
  events,
  idempotencyKeys,
  loops,
  tokens,
  workspaces,
} from "../store/schema.js";
import { createRetentionLoop } from "./retention.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop retention", () => {
    let fixture: LoopFixture;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    const DAY = 24 * 3_600_000;

    function run(env: Record<string, string> = {}) {
      return createRetentionLoop(fixture.context(env)).run({ signal });
    }

    async function count(table: string): Promise<number> {
      const [row] = await queryRows<{ n: number }>(
        fixture.store.db,
        sql`select count(*)::int as n from ${sql.identifier(table)}`,
      );
      return row?.n ?? -1;
    }

    it("drops old events, and keeps what is younger than the retention", async () => {
      const { db } = fixture.store;
      const event = { eventType: "WORKSPACE_ONLINE", actor: "admin" };
      await db.insert(events).values([
        { ...event, createdAt: ago(8 * DAY) },
        { ...event, createdAt: ago(6 * DAY) },
      ]);
      expect(await run()).toMatchObject({ events: 1 });
      expect(await run({ ACTIVITY_RETENTION_DAYS: "5" })).toMatchObject({ events: 1 });
    });

    it("drops more than one batch in one run", async () => {
      await fixture.store.db.execute(sql`
    insert into structure_events (event_type, actor, created_at)
    select 'WORKSPACE_ONLINE', 'admin', now() - interval '30 days' from generate_series(1, 1201)`);
      expect(await run()).toMatchObject({ events: 1201 });
      expect(await count("structure_events")).toBe(0);
    });

    it("keeps the operation that tells why a workspace is as it is", async () => {
      const { db } = fixture.store;
      const old = { createdAt: ago(20 * DAY), finishedAt: ago(20 * DAY) };
      const living = await fixture.addWorkspace();
      const why = await fixture.addOperation(living, { ...old, state: "failed" });
      await db.update(workspaces).set({ lastOperationId: why });
      const latest = await fixture.addOperation(living, {
        ...old,
        createdAt: ago(19 * DAY),
      });
      const gone = await fixture.addOperation(living, { ...old, createdAt: ago(21 * DAY) });
      const removed = await fixture.addWorkspace({ status: "removed" });
      const cleaned = await fixture.addOperation(removed, { ...old, kind: "remove" });
      const uncleaned = await fixture.addOperation(removed, {
        ...old,
        kind: "remove",
        state: "failed",
      });
      const purged = await fixture.addOperation(randomUUID(), old);
      const open = await fixture.addOperation(living, {
        state: "queued",
        createdAt: ago(20 * DAY),
      });
      expect(await run()).toMatchObject({ operations: 3 });
      const left = await queryRows<{ id: string }>(db, sql`select id from operations`);
      expect(new Set(left.map(({ id }) => id))).toEqual(new Set([why, latest, uncleaned, open]));
      expect([gone, cleaned, purged]).not.toContain(left[0]?.id);
    });

    it("drops old builds with their logs, but none that runs", async () => {
      const { db } = fixture.store;
      const build = (state: "running" | "succeeded", startedAt: Date) => ({
        id: randomUUID(),
        operationId: randomUUID(),
        workspaceId: randomUUID(),
        runtime: "langgraph",
        state,
        startedAt,
      });
      const old = build("succeeded", ago(8 * DAY));
      await db
        .insert(builds)
        .values([old, build("running", ago(8 * DAY)), build("succeeded", ago(DAY))]);
      await db
        .insert(buildLogs)
        .values({ buildId: old.id, seq: 1, at: new Date(), stream: "stdout", line: "hello" });
      expect(await run()).toMatchObject({ builds: 1 });
      expect(await count("builds")).toBe(2);
      expect(await count("build_logs")).toBe(0);
    });

    it("drops revoked tokens, but never the last trace that a workspace had one", async () => {
      const { db } = fixture.store;
      const workspaceId = await fixture.addWorkspace();
      const token = (createdAt: Date) => ({
        id: randomUUID(),
        workspaceId,
        tokenHash: Buffer.from(randomUUID()),
        prefix: "12345678",
        createdBy: "system",
        createdAt,
        revokedAt: ago(8 * DAY),
      });
      await db.insert(tokens).values([token(ago(10 * DAY)), token(ago(9 * DAY))]);
      expect(await run()).toMatchObject({ tokens: 1 });
      expect(await run()).toMatchObject({ tokens: 0 });
      await db.update(workspaces).set({ status: "removed" });
      expect(await run()).toMatchObject({ tokens: 1 });
    });

    it("drops idempotency keys after a day, and loops of engines that went", async () => {
      const { db } = fixture.store;
      const key = { caller: "admin", requestHash: "h", statusCode: 201, response: {} };
      await db.insert(idempotencyKeys).values([
        { ...key, key: "old", createdAt: ago(DAY + 1000) },
        { ...key, key: "new", createdAt: ago(DAY / 2) },
      ]);
      await db.insert(loops).values([
        { name: "health@gone", lastStartedAt: ago(8 * DAY) },
        { name: "health@here", lastStartedAt: ago(8 * DAY), leaseExpiresAt: ago(-1000) },
        { name: "retention", lastStartedAt: ago(8 * DAY) },
      ]);
      expect(await run()).toEqual({
        events: 0,
        builds: 0,
        operations: 0,
        tokens: 0,
        idempotency_keys: 1,
        loops: 1,
      });
    });
  });
});
