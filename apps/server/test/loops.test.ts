import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { createHealthLoop } from "../src/loops/health.js";
import { createProvisionDeadlinesLoop } from "../src/loops/provision-deadlines.js";
import { queryRows } from "../src/store/database.js";
import { findWorkspaceRow } from "../src/store/workspaces.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
const undoes: (() => void)[] = [];
beforeAll(async () => {
  server = await startTestServer();
});
afterEach(() => {
  for (const undo of undoes.splice(0)) undo();
});
afterAll(() => server[Symbol.asyncDispose]());

const signal = new AbortController().signal;

async function create(): Promise<string> {
  const { status, body } = await server.request("/workspaces", { body: { name: "Agent" } });
  expect(status, JSON.stringify(body)).toBe(201);
  return (body as { id: string }).id;
}

async function statusOf(id: string): Promise<string | undefined> {
  return (await findWorkspaceRow(server.context.store.db, id))?.status;
}

async function becomes(id: string, status: string): Promise<void> {
  await vi.waitFor(async () => expect(await statusOf(id)).toBe(status), 20_000);
}

function eventsOf(id: string, type: string): Promise<{ payload: Record<string, unknown> }[]> {
  return queryRows(
    server.context.store.db,
    sql`select payload from structure_events
        where workspace_id = ${id} and event_type = ${type} order by id`,
  );
}

describe("the loops of a server", () => {
  it("bring a workspace back whose container is removed from outside", async () => {
    const id = await create();
    await becomes(id, "online");
    server.host.vanish(id);
    await vi.waitFor(() => expect(server.host.workspaces.get(id)?.generation).toBe(1), 20_000);
    await becomes(id, "online");
    expect(await eventsOf(id, "WORKSPACE_OFFLINE")).toHaveLength(1);
    expect(await eventsOf(id, "WORKSPACE_ONLINE")).toHaveLength(2);
  });

  it("never bring back a workspace that is paused while they look", async () => {
    const id = await create();
    await becomes(id, "online");
    const loop = createHealthLoop(server.context, server.host.host);
    let pausing: Promise<unknown> | undefined;
    undoes.push(
      server.host.before("list", async () => {
        pausing ??= server.request(`/workspaces/${id}/pause`, { method: "POST" });
        await pausing;
      }),
    );
    await loop.run({ signal });
    expect(server.host.workspaces.get(id)?.status).toBe("exited");
    expect(await statusOf(id)).toBe("paused");
    expect(await eventsOf(id, "WORKSPACE_OFFLINE")).toEqual([]);
    const kinds = await queryRows<{ kind: string }>(
      server.context.store.db,
      sql`select kind from operations where workspace_id = ${id} order by created_at`,
    );
    expect(kinds.map(({ kind }) => kind)).toEqual(["provision", "pause"]);
  });

  it("end a provision that hangs: its work is aborted, one event tells of it", async () => {
    let wasAborted = false;
    undoes.push(
      server.host.before("image", ({ signal: step }) => {
        step?.addEventListener("abort", () => (wasAborted = true));
        return new Promise(() => undefined);
      }),
    );
    const id = await create();
    const { db } = server.context.store;
    await vi.waitFor(async () => {
      const running = await queryRows(
        db,
        sql`select 1 from operations where workspace_id = ${id} and state = 'running'
              and stage is not null`,
      );
      expect(running).toHaveLength(1);
    }, 10_000);
    await db.execute(sql`
      update operations set created_at = now() - interval '700 s',
        started_at = now() - interval '700 s', progress_at = now() - interval '700 s',
        stage_started_at = now() - interval '700 s', not_before = null
      where workspace_id = ${id}`);
    await db.execute(sql`
      update workspaces set provision_started_at = now() - interval '700 s' where id = ${id}`);
    const loop = createProvisionDeadlinesLoop(server.context);
    expect(await loop.run({ signal })).toMatchObject({ failed: 1, cancelled: 1 });
    await vi.waitFor(() => expect(wasAborted).toBe(true), 10_000);
    const [{ id: operationId } = { id: "" }] = await queryRows<{ id: string }>(
      db,
      sql`select id from operations where workspace_id = ${id}`,
    );
    const ended = await server.context.operations.settled(operationId, {
      signal: AbortSignal.timeout(10_000),
    });
    expect(ended?.state).toBe("cancelled");
    const row = await findWorkspaceRow(db, id);
    expect(row).toMatchObject({
      status: "failed",
      lastSampleError: "The provision made no progress for 600 s.",
    });
    expect(await eventsOf(id, "WORKSPACE_PROVISION_FAILED")).toMatchObject([
      {
        payload: {
          timeout_secs: 600,
          runtime: "langgraph",
          source: "provision_timeout_sweep",
        },
      },
    ]);
  });
});
