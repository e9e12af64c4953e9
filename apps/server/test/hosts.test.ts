import { eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { events, operations, workspaces } from "../src/store/schema.js";
import { serverInstances } from "../src/store/schema.js";
import { createMemoryHost } from "./support/memory-host.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

const GONE = "GONE:ENGINE";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

const retire = (id: string) =>
  server.request(`/admin/hosts/${encodeURIComponent(id)}/retire`, { method: "POST" });

async function insertWorkspace(status: "online" | "paused" | "removed", hostId: string) {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
    id,
    name: status,
    tier: 2,
    status,
    runtime: "langgraph",
    hostId,
    createdBy: "admin",
  });
  return id;
}

const rowOf = async (id: string) => {
  const rows = await server.context.store.db.select().from(workspaces).where(eq(workspaces.id, id));
  return rows[0];
};

it("makes anew what ran on an engine that is gone, and leaves what rests at rest", async () => {
  const { db } = server.context.store;
  const here = server.host.host.id;
  const online = await insertWorkspace("online", GONE);
  const paused = await insertWorkspace("paused", GONE);
  expect((await retire(GONE)).body).toEqual({ host_id: GONE, moved_to: here, moved: 2 });
  await expect
    .poll(() => server.host.workspaces.get(online) !== undefined, { timeout: 40_000 })
    .toBe(true);
  await expect.poll(async () => (await rowOf(online))?.status).toBe("online");
  expect(await rowOf(paused)).toMatchObject({ status: "paused", hostId: here });
  const told = await db.select().from(events).where(eq(events.eventType, "HOST_RETIRED"));
  expect(told).toMatchObject([
    { actor: "admin", payload: { from: GONE, to: here, workspaces: 2 } },
  ]);
});

it("cleans up what was deleted while its engine was gone", async () => {
  const { db } = server.context.store;
  const id = await insertWorkspace("removed", GONE);
  await db.insert(operations).values({
    id: randomUUID(),
    workspaceId: id,
    runtime: "langgraph",
    kind: "remove",
    // Its worker died with the engine's machine.
    state: "running",
    attempt: 1,
    hostId: GONE,
    claimedBy: randomUUID(),
    leaseExpiresAt: new Date(0),
    requestedBy: "admin",
  });
  expect((await retire(GONE)).status).toBe(200);
  const stateOf = async () => {
    const rows = await db.select().from(operations).where(eq(operations.workspaceId, id));
    return rows[0]?.state;
  };
  await expect.poll(stateOf).toBe("succeeded");
});

it("refuses an engine that a living server works with, and one nobody lives on", async () => {
  const { db } = server.context.store;
  expect(await retire(server.host.host.id)).toMatchObject({
    status: 409,
    body: { code: "ERR_CONFLICT" },
  });
  const instance = randomUUID();
  await db.insert(serverInstances).values({ id: instance, hostId: "OTHER" });
  try {
    await insertWorkspace("paused", "OTHER");
    expect((await retire("OTHER")).status).toBe(409);
  } finally {
    await db.delete(serverInstances).where(eq(serverInstances.id, instance));
  }
  expect(await retire("NOBODY")).toMatchObject({ status: 404, body: { code: "ERR_NOT_FOUND" } });
});

it("takes over at its start what an embedded database knows of another engine", async () => {
  const id = await insertWorkspace("paused", GONE);
  const host = createMemoryHost();
  await using next = await startTestServer({ store: server.context.store, host });
  await expect.poll(async () => (await rowOf(id))?.hostId).toBe(next.host.host.id);
});
