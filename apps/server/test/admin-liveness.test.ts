import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { loops, serverInstances, workspaces } from "../src/store/schema.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
beforeAll(async () => {
  // The sweep is only asked for here.
  server = await startTestServer({ env: { MOLECULE_ORPHAN_SWEEP: "off" } });
});
afterEach(async () => {
  server.host.reconnect();
  for (const id of server.host.storage.keys()) await server.host.host.backend.remove(id);
  await server.context.store.db.execute(
    sql`truncate workspaces, operations, structure_events cascade`,
  );
});
afterAll(() => server[Symbol.asyncDispose]());

describe("GET /admin/liveness", () => {
  it("shows loops with their leader and last run, and the processes that live", async () => {
    const { db } = server.context.store;
    const [holder, peer] = [randomUUID(), randomUUID()];
    const hour = 3_600_000;
    await db.insert(loops).values([
      {
        name: "health@elsewhere",
        holder,
        leaseExpiresAt: new Date(Date.now() + hour),
        lastStartedAt: new Date(),
        lastSucceededAt: new Date(),
        runs: 12,
        failures: 1,
        lastError: "ERR_ENGINE_UNAVAILABLE: The engine does not answer.",
        summary: { lost: 0 },
      },
      {
        name: "orphans@elsewhere",
        holder,
        leaseExpiresAt: new Date(Date.now() - 1),
        lastSucceededAt: new Date(Date.now() - hour),
      },
    ]);
    await db.insert(serverInstances).values({ id: peer, hostId: "elsewhere", url: "http://peer" });

    const { status, body } = await server.request("/admin/liveness");
    expect(status).toBe(200);
    const answer = body as { loops: { name: string }[]; instances: { id: string }[] };
    const named = (name: string) => answer.loops.find((loop) => loop.name === name);
    expect(named("health@elsewhere")).toMatchObject({
      leader: holder,
      stale: false,
      runs: 12,
      failures: 1,
      last_error: expect.stringMatching(/^ERR_ENGINE_UNAVAILABLE/) as string,
      summary: { lost: 0 },
    });
    expect(named("orphans@elsewhere")).toMatchObject({ leader: null, stale: true, summary: null });
    expect(answer.instances.find(({ id }) => id === peer)).toMatchObject({
      host_id: "elsewhere",
      url: "http://peer",
      is_this: false,
    });
  });

  it("is for the administrator", async () => {
    expect((await server.request("/admin/liveness", { token: null })).status).toBe(401);
  });
});

describe("POST /admin/orphans/sweep", () => {
  async function addDeleted(): Promise<string> {
    const id = randomUUID();
    await server.host.host.provisioner.up({ id, name: "w", runtime: "langgraph", tier: 2 });
    const { db } = server.context.store;
    // What the memory host holds was made at 0.
    await db.execute(sql`
      insert into settings (key, value) values ('database_created_at', '-1')
      on conflict (key) do update set value = excluded.value`);
    await db.insert(workspaces).values({
      id,
      name: "w",
      tier: 2,
      status: "removed",
      runtime: "langgraph",
      createdBy: "admin",
      hostId: server.host.host.id,
    });
    return id;
  }
  const sweep = (query = "") => server.request(`/admin/orphans/sweep${query}`, { method: "POST" });

  it("tells in a dry run what it would remove, and removes nothing", async () => {
    const id = await addDeleted();
    const { status, body } = await sweep("?dry_run=true");
    expect(status).toBe(200);
    expect(body).toEqual({
      host_id: server.host.host.id,
      dry_run: true,
      removed: [
        expect.objectContaining({ kind: "workspace", workspace_id: id }),
        expect.objectContaining({ kind: "volume", workspace_id: id }),
      ],
      kept: [],
      failed: [],
    });
    expect(server.host.workspaces.has(id)).toBe(true);
  });

  it("removes when it is told to, whatever the loop is set to, and records who asked", async () => {
    const id = await addDeleted();
    expect((await sweep()).body).toMatchObject({ dry_run: false });
    expect(server.host.workspaces.has(id)).toBe(false);
    expect(server.host.storage.has(id)).toBe(false);
    const { rows } = (await server.context.store.db.execute(
      sql`select actor, payload from structure_events where event_type = 'ORPHANS_SWEPT'`,
    )) as unknown as { rows: unknown[] };
    expect(rows).toMatchObject([{ actor: "admin", payload: { removed: 2 } }]);
  });

  it("says that the engine does not answer", async () => {
    server.host.disconnect();
    const { status, body } = await sweep();
    expect(status).toBe(503);
    expect(body).toMatchObject({ code: "ERR_ENGINE_UNAVAILABLE" });
  });

  it("refuses what it does not know, and whoever is not the administrator", async () => {
    expect((await sweep("?dry_run=maybe")).status).toBe(400);
    expect((await sweep("?dryrun=true")).status).toBe(400);
    const { status } = await server.request("/admin/orphans/sweep", {
      method: "POST",
      token: null,
    });
    expect(status).toBe(401);
  });
});
