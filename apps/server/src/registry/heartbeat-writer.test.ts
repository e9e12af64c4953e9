import { eq } from "drizzle-orm";
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import type { Store } from "../store/open-store.js";
import { events, tokens, workspaces } from "../store/schema.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import {
  createHeartbeatWriter,
  type HeartbeatWriter,
  type SentHeartbeat,
} from "./heartbeat-writer.js";
import { normalizeHeartbeat, type ReportedHeartbeat } from "./heartbeat.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

let store: Store;
let writer: HeartbeatWriter;

beforeAll(async () => {
  store = await openMemoryStore();
}, 60_000);
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  await store.db.delete(events);
  await store.db.delete(workspaces);
  writer = createHeartbeatWriter({ db: store.db });
});

async function insertWorkspace(
  status: WorkspaceStatus,
  columns: Partial<typeof workspaces.$inferInsert> = {},
): Promise<string> {
  const id = randomUUID();
  await store.db.insert(workspaces).values({
    id,
    name: "one",
    tier: 2,
    status,
    runtime: "langgraph",
    createdBy: "admin",
    ...columns,
  });
  return id;
}

const sent = (
  workspaceId: string,
  reported: ReportedHeartbeat = {},
  tokenId?: string,
): SentHeartbeat => ({
  workspaceId,
  beat: normalizeHeartbeat(reported, (text) => text),
  tokenId,
  actor: `workspace:${workspaceId}`,
  requestId: "request-1",
});

const rowOf = async (id: string) => {
  const row = await findWorkspaceRow(store.db, id);
  if (row === undefined) throw new Error(`no row ${id}`);
  return row;
};

const eventsOf = async (id: string) =>
  (await store.db.select().from(events).where(eq(events.workspaceId, id))).map(
    ({ eventType }) => eventType,
  );

it("writes what the agent said, with the moment, and neither version nor updated_at", async () => {
  const id = await insertWorkspace("online", { monthlySpend: 7, managesStatus: true });
  const before = await rowOf(id);
  expect(
    await writer.write(
      sent(id, {
        error_rate: 0.25,
        sample_error: "timeout",
        active_tasks: 3,
        uptime_seconds: 60,
        current_task: "writes",
        runtime_state: "busy",
      }),
    ),
  ).toBe(true);
  const after = await rowOf(id);
  expect(after.lastHeartbeatAt?.getTime()).toBeGreaterThanOrEqual(before.createdAt.getTime());
  expect(after).toEqual({
    ...before,
    lastHeartbeatAt: after.lastHeartbeatAt,
    lastActiveAt: expect.any(Date) as Date,
    lastErrorRate: 0.25,
    lastSampleError: "timeout",
    activeTasks: 3,
    uptimeSeconds: 60,
    currentTask: "writes",
    runtimeState: "busy",
  });
  expect(await eventsOf(id)).toEqual([]);
});

it("takes a beat for activity only when the agent has something to do", async () => {
  const id = await insertWorkspace("online", { lastActiveAt: new Date(0) });
  await writer.write(sent(id, { active_tasks: 0, current_task: "" }));
  expect((await rowOf(id)).lastActiveAt).toEqual(new Date(0));
  await writer.write(sent(id, { current_task: "thinks" }));
  expect((await rowOf(id)).lastActiveAt?.getTime()).toBeGreaterThan(0);
});

it("sets liveness again after any silence", async () => {
  const id = await insertWorkspace("online", { lastHeartbeatAt: new Date(0) });
  await writer.write(sent(id));
  expect((await rowOf(id)).lastHeartbeatAt?.getTime()).toBeGreaterThan(Date.now() - 60_000);
});

it("writes hundreds at once, each for its own workspace, the later one of two for the same", async () => {
  const ids = await Promise.all(Array.from({ length: 450 }, () => insertWorkspace("online")));
  const first = ids[0]!;
  const answers = await Promise.all([
    writer.write(sent(first, { uptime_seconds: 999 })),
    ...ids.map((id, n) => writer.write(sent(id, { uptime_seconds: n }))),
  ]);
  expect(answers.every(Boolean)).toBe(true);
  const rows = await store.db.select().from(workspaces);
  const uptimes = new Map(rows.map(({ id, uptimeSeconds }) => [id, uptimeSeconds]));
  expect(ids.map((id) => uptimes.get(id))).toEqual(ids.map((_id, n) => n));
});

it.each(["provisioning", "offline", "awaiting_agent"] as const)(
  "brings a workspace that is %s online, with one event",
  async (status) => {
    const id = await insertWorkspace(status);
    await Promise.all([writer.write(sent(id)), writer.write(sent(id))]);
    await writer.write(sent(id));
    const row = await rowOf(id);
    expect([row.status, row.version]).toEqual(["online", 2]);
    expect(await eventsOf(id)).toEqual(["WORKSPACE_ONLINE"]);
  },
);

it("degrades and recovers, and tells it", async () => {
  const id = await insertWorkspace("online");
  await writer.write(sent(id, { runtime_state: "wedged" }));
  expect((await rowOf(id)).status).toBe("degraded");
  await writer.write(sent(id, { runtime_state: "wedged" }));
  await writer.write(sent(id));
  expect((await rowOf(id)).status).toBe("online");
  expect(await eventsOf(id)).toEqual(["WORKSPACE_DEGRADED", "WORKSPACE_ONLINE"]);
});

it("lets an adapter that manages its status take back that it was wedged", async () => {
  const id = await insertWorkspace("online");
  const managed = { runtime_metadata: { capabilities: { status_mgmt: true } } };
  await writer.write(sent(id, { ...managed, error_rate: 1 }));
  expect((await rowOf(id)).status).toBe("online");
  await writer.write(sent(id, { runtime_state: "wedged" }));
  expect((await rowOf(id)).status).toBe("degraded");
  await writer.write(sent(id, { error_rate: 1 }));
  expect((await rowOf(id)).status).toBe("online");
});

it.each(["paused", "hibernated"] as const)(
  "leaves a %s workspace exactly as it is",
  async (status) => {
    const id = await insertWorkspace(status);
    const before = await rowOf(id);
    expect(await writer.write(sent(id, { active_tasks: 1 }))).toBe(true);
    expect(await rowOf(id)).toEqual(before);
  },
);

it("does not revive a removed workspace, and knows none that is not there", async () => {
  const id = await insertWorkspace("removed");
  const before = await rowOf(id);
  expect(await writer.write(sent(id))).toBe(false);
  expect(await rowOf(id)).toEqual(before);
  expect(await writer.write(sent(randomUUID()))).toBe(false);
});

it("does not take the container that is being replaced for its successor", async () => {
  const [earlier, current] = [randomUUID(), randomUUID()];
  const id = await insertWorkspace("provisioning", { lastOperationId: current });
  const insertToken = async (operationId: string) => {
    const tokenId = randomUUID();
    await store.db.insert(tokens).values({
      id: tokenId,
      workspaceId: id,
      tokenHash: randomBytes(32),
      prefix: "12345678",
      operationId,
      createdBy: "system:provision",
    });
    return tokenId;
  };
  const [old, next] = [await insertToken(earlier), await insertToken(current)];
  await writer.write(sent(id, {}, old));
  expect((await rowOf(id)).status).toBe("provisioning");
  await writer.write(sent(id, {}, next));
  expect((await rowOf(id)).status).toBe("online");
});

it("tells every heartbeat of a batch when the store fails, and goes on with the next", async () => {
  const id = await insertWorkspace("online");
  const bad = { ...sent(id), workspaceId: "no uuid" };
  const [first, second] = await Promise.allSettled([writer.write(bad), writer.write(sent(id))]);
  expect([first.status, second.status]).toEqual(["rejected", "rejected"]);
  expect(await writer.write(sent(id))).toBe(true);
});
