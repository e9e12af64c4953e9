import { eq, sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { workspaces } from "../src/store/schema.js";
import {
  bodyOf,
  create,
  createOnline,
  eventsOf,
  statusOf,
  untilStatus,
  type Json,
} from "./support/fleet.js";
import { startTestServer, type TestAnswer, type TestServer } from "./support/test-server.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ env: { WORKSPACE_DIR: "/srv/shared" } });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const ABSENT = "00000000-0000-4000-8000-000000000000";

const patch = (id: string, body: unknown, token?: string): Promise<TestAnswer> =>
  server.request(`/workspaces/${id}`, { method: "PATCH", body, token });
const remove = (id: string, query = ""): Promise<TestAnswer> =>
  server.request(`/workspaces/${id}${query}`, { method: "DELETE" });
const row = async (id: string): Promise<Json> => {
  const [found] = await server.context.store.db
    .select()
    .from(workspaces)
    .where(eq(workspaces.id, id));
  return found as unknown as Json;
};

async function tokenOf(id: string): Promise<string> {
  const answer = await server.request(`/workspaces/${id}/tokens`, { method: "POST" });
  return bodyOf(answer)["auth_token"] as string;
}

/** Parent, child and grandchild, all online. */
async function createFamily(): Promise<[string, string, string]> {
  const parent = await createOnline(server, { name: "parent" });
  const child = await createOnline(server, { name: "child", parent_id: parent });
  const grandchild = await createOnline(server, { name: "grandchild", parent_id: child });
  return [parent, child, grandchild];
}

describe("PATCH /workspaces/:id", () => {
  it("refuses what is no JSON object of its fields", async () => {
    const id = await create(server, { external: true });
    const answer = await server.fetch(`/workspaces/${id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
    });
    expect(answer.status).toBe(400);
    expect((await patch(id, [])).status).toBe(400);
    expect((await patch(id, { status: "online" })).status).toBe(400);
  });

  it("answers 404 for a workspace that is not there, or not any more", async () => {
    const id = await create(server, { external: true });
    await remove(id);
    for (const gone of [ABSENT, id]) {
      expect((await patch(gone, { name: "back" })).status).toBe(404);
    }
  });

  it("changes several fields at once, and records which and by whom", async () => {
    const id = await create(server, { external: true });
    const answer = await patch(id, { name: "new", role: "tester", x: 3, y: 4, collapsed: true });
    expect([answer.status, answer.body]).toEqual([200, { status: "updated" }]);
    expect(bodyOf(await server.request(`/workspaces/${id}`))).toMatchObject({
      name: "new",
      role: "tester",
      x: 3,
      y: 4,
      collapsed: true,
    });
    expect((await eventsOf(server, id)).at(-1)).toMatchObject({
      event_type: "WORKSPACE_UPDATED",
      actor: "admin",
      payload: { fields: ["name", "role", "collapsed", "x", "y"] },
    });
  });

  it("ignores budget_limit", async () => {
    const id = await create(server, { external: true, budget_limit: 7 });
    expect((await patch(id, { budget_limit: 1_000_000 })).status).toBe(200);
    expect(await row(id)).toMatchObject({ budgetLimit: 7 });
  });

  it("says that a restart is needed when the container has to change", async () => {
    const id = await createOnline(server);
    expect((await patch(id, { runtime: "hermes" })).body).toEqual({
      status: "updated",
      needs_restart: true,
    });
    expect((await patch(id, { tier: 1 })).body).toMatchObject({ needs_restart: true });
    expect((await patch(id, { workspace_access: "read_only" })).body).toMatchObject({
      needs_restart: true,
    });
    expect((await patch(id, { workspace_access: "read_only" })).body).toEqual({
      status: "updated",
    });
  });

  it("sets a workspace directory by the rules of creation, and clears it with null", async () => {
    const id = await createOnline(server);
    expect((await patch(id, { workspace_dir: "/etc" })).status).toBe(400);
    expect((await patch(id, { workspace_dir: "/srv/./data/" })).body).toMatchObject({
      needs_restart: true,
    });
    expect(await row(id)).toMatchObject({ workspaceDir: "/srv/data" });
    expect((await patch(id, { workspace_dir: null })).status).toBe(200);
    expect(await row(id)).toMatchObject({ workspaceDir: null });
  });

  it("refuses an unknown runtime, a tier that is too high, and a move between container and external", async () => {
    const id = await create(server);
    const outside = await create(server, { external: true });
    const refused = async (on: string, body: unknown) => {
      const answer = await patch(on, body);
      return [answer.status, bodyOf(answer)["code"]];
    };
    expect(await refused(id, { runtime: "nope" })).toEqual([400, "ERR_RUNTIME_UNKNOWN"]);
    expect(await refused(id, { tier: 4 })).toEqual([403, "ERR_TIER_NOT_ALLOWED"]);
    expect(await refused(id, { runtime: "external" })).toEqual([400, "ERR_REQUEST_INVALID"]);
    expect(await refused(outside, { runtime: "hermes" })).toEqual([400, "ERR_REQUEST_INVALID"]);
    expect(await eventsOf(server, id)).toContainEqual(
      expect.objectContaining({ event_type: "TIER_REFUSED", actor: "admin" }),
    );
  });

  it("lets an agent rename itself, and change nothing of what it may do", async () => {
    const id = await create(server, { external: true });
    const token = await tokenOf(id);
    expect((await patch(id, { name: "renamed" }, token)).status).toBe(200);
    for (const body of [
      { tier: 1 },
      { parent_id: null },
      { runtime: "external" },
      { workspace_dir: "/srv/mine" },
      { workspace_access: "read_write" },
    ]) {
      const answer = await patch(id, body, token);
      expect([answer.status, bodyOf(answer)["code"]]).toEqual([403, "ERR_FORBIDDEN"]);
    }
  });

  it("makes no ring of parents, also not by two moves at once", async () => {
    const a = await create(server, { external: true });
    const b = await create(server, { external: true, parent_id: a });
    expect((await patch(a, { parent_id: b })).status).toBe(400);
    expect((await patch(a, { parent_id: a })).status).toBe(400);
    expect((await patch(b, { parent_id: null })).status).toBe(200);
    const answers = await Promise.all([patch(a, { parent_id: b }), patch(b, { parent_id: a })]);
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 400]);
  });

  it("never revives a workspace that is removed meanwhile", async () => {
    for (let round = 0; round < 5; round += 1) {
      const id = await create(server, { external: true });
      const changes = Array.from({ length: 5 }, (_, at) => patch(id, { name: `n${at}` }));
      const [removed] = await Promise.all([remove(id), ...changes]);
      expect(removed.status).toBe(200);
      expect(await row(id)).toMatchObject({ status: "removed" });
    }
  });
});

describe("DELETE /workspaces/:id", () => {
  it("answers 404 for an unknown workspace", async () => {
    expect((await remove(ABSENT)).status).toBe(404);
  });

  it("asks for confirmation when there are children, and changes nothing", async () => {
    const parent = await create(server, { external: true });
    const children = [
      await create(server, { name: "one", external: true, parent_id: parent }),
      await create(server, { name: "two", external: true, parent_id: parent }),
    ];
    await create(server, { external: true, parent_id: children[0] });
    const answer = await remove(parent);
    expect(answer.status).toBe(409);
    expect(answer.body).toMatchObject({
      status: "confirmation_required",
      children_count: 2,
      children: [
        { id: children[0], name: "one" },
        { id: children[1], name: "two" },
      ],
      descendants_count: 3,
    });
    expect(await statusOf(server, parent)).toBe("awaiting_agent");
  });

  it("removes a workspace with all below it, children before parents, and nothing is left of them", async () => {
    const family = await createFamily();
    const [parent, child, grandchild] = family;
    const token = await tokenOf(child);
    const answer = await remove(parent, "?confirm=true");
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      status: "removed",
      cascade_deleted: 2,
      operations: family.map((id) => ({ workspace_id: id, state: "succeeded" })),
    });
    for (const id of family) {
      expect(await row(id)).toMatchObject({ status: "removed" });
      expect(server.host.workspaces.has(id)).toBe(false);
      expect(server.host.storage.has(id)).toBe(false);
    }
    expect((await server.request(`/workspaces/${child}/tokens`, { token })).status).toBe(401);
    const { rows } = (await server.context.store.db.execute(
      sql`select workspace_id, payload from structure_events
          where event_type = 'WORKSPACE_REMOVED' and workspace_id in (${parent}, ${child}, ${grandchild})
          order by id`,
    )) as unknown as { rows: Json[] };
    expect(rows.map((event) => event["workspace_id"])).toEqual([grandchild, child, parent]);
    expect(rows.at(-1)).toMatchObject({ payload: { cascade_deleted: 2 } });
  });

  it("leaves the volumes where keep_volumes asks for it", async () => {
    const id = await createOnline(server);
    expect((await remove(id, "?keep_volumes=true")).status).toBe(200);
    expect(server.host.workspaces.has(id)).toBe(false);
    expect(server.host.storage.has(id)).toBe(true);
  });

  it("forgets all of a tree that is purged, external ones too", async () => {
    const parent = await createOnline(server, { secrets: { A_KEY: "value-of-a-key" } });
    const child = await createOnline(server, { parent_id: parent });
    const outside = await create(server, { external: true, parent_id: child });
    const answer = await remove(parent, "?confirm=true&purge=true");
    expect(answer.body).toMatchObject({ status: "purged", cascade_deleted: 2 });
    for (const id of [parent, child, outside]) {
      expect(await row(id)).toBeUndefined();
      expect((await server.request(`/workspaces/${id}`)).status).toBe(404);
      expect((await eventsOf(server, id)).at(-1)).toMatchObject({
        event_type: expect.stringMatching(/^(WORKSPACE_PURGED|OPERATION_SUCCEEDED)$/),
      });
    }
  });

  it("purges a workspace that was removed before", async () => {
    const id = await createOnline(server);
    await remove(id);
    expect((await remove(id)).body).toMatchObject({ status: "removed", operations: [] });
    expect((await remove(id, "?purge=true")).body).toMatchObject({ status: "purged" });
    expect(await row(id)).toBeUndefined();
  });

  it("answers 500 with what could not be stopped; the workspace stays removed, and a repeat cleans up", async () => {
    const id = await createOnline(server);
    const restore = server.host.before("remove", () => {
      throw new Error("device or resource busy");
    });
    try {
      const answer = await remove(id);
      expect(answer.status).toBe(500);
      expect(answer.body).toMatchObject({
        error: expect.any(String),
        code: "ERR_STOP_INCOMPLETE",
        removed_count: 1,
        stop_failures: 1,
        failures: [{ workspace_id: id }],
      });
    } finally {
      restore();
    }
    expect(await row(id)).toMatchObject({ status: "removed" });
    expect(server.host.workspaces.has(id)).toBe(true);
    expect((await remove(id)).status).toBe(200);
    expect(server.host.workspaces.has(id)).toBe(false);
  }, 40_000);

  it("fails with 500 when the children cannot be listed, and removes nothing", async () => {
    await using own = await startTestServer();
    const id = await create(own, { external: true });
    const { db } = own.context.store;
    await db.execute(sql`alter table workspaces rename column parent_id to lost`);
    const answer = await own.request(`/workspaces/${id}`, { method: "DELETE" });
    expect([answer.status, bodyOf(answer)["code"]]).toEqual([500, "ERR_INTERNAL"]);
    await db.execute(sql`alter table workspaces rename column lost to parent_id`);
    expect(await statusOf(own, id)).toBe("awaiting_agent");
  });

  it("ends a provision that is under way, and nothing of it is left", async () => {
    let isReached = (): void => undefined;
    const reached = new Promise<void>((resolve) => (isReached = resolve));
    const restore = server.host.before("start", async ({ signal }) => {
      isReached();
      await new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
    });
    let id: string;
    try {
      id = await create(server);
      await reached;
      expect((await remove(id)).status).toBe(200);
    } finally {
      restore();
    }
    expect(await row(id)).toMatchObject({ status: "removed" });
    expect(server.host.workspaces.has(id)).toBe(false);
    expect(server.host.storage.has(id)).toBe(false);
  }, 30_000);

  it("takes a child along that is created at the same moment, or refuses it", async () => {
    for (let round = 0; round < 5; round += 1) {
      const parent = await create(server, { external: true });
      const [removed, created] = await Promise.all([
        remove(parent, "?confirm=true"),
        server.request("/workspaces", {
          body: { name: "late", external: true, parent_id: parent },
        }),
      ]);
      expect(removed.status).toBe(200);
      if (created.status === 201) {
        expect(await statusOf(server, bodyOf(created)["id"] as string)).toBe("removed");
      } else {
        expect(created.status).toBe(400);
      }
    }
  });
});

describe("POST /admin/workspaces/:id/bootstrap-failed", () => {
  const report = (id: string, body: Json): Promise<TestAnswer> =>
    server.request(`/admin/workspaces/${id}/bootstrap-failed`, { body });

  /** A workspace whose start hangs until the result is called. */
  async function createHanging(): Promise<[string, () => void]> {
    const restore = server.host.before("start", ({ signal }) => {
      return new Promise<void>((resolve) => signal?.addEventListener("abort", () => resolve()));
    });
    return [await create(server), restore];
  }

  it("fails a provisioning workspace and records the end of its log", async () => {
    const [id, restore] = await createHanging();
    try {
      const tail = `${"x".repeat(20_000)}the last line`;
      const answer = await report(id, { error: "no disk", log_tail: tail });
      expect([answer.status, answer.body]).toEqual([200, { ok: true }]);
      expect(await statusOf(server, id)).toBe("failed");
      const events = await eventsOf(server, id);
      const failed = events.filter((event) => event["event_type"] === "WORKSPACE_PROVISION_FAILED");
      expect(failed).toHaveLength(1);
      const payload = failed[0]?.["payload"] as { error: string; log_tail: string };
      expect(payload.error).toBe("no disk");
      expect(payload.log_tail).toHaveLength(8192);
      expect(payload.log_tail).toMatch(/the last line$/);
      const { why } = bodyOf(await server.request(`/workspaces/${id}`));
      expect(why).toMatchObject({ message: "no disk" });
    } finally {
      restore();
    }
  });

  it("changes nothing of a workspace that is not provisioning any more", async () => {
    const id = await createOnline(server);
    const before = (await eventsOf(server, id)).length;
    const answer = await report(id, { error: "too late" });
    expect([answer.status, answer.body]).toEqual([200, { ok: true, no_change: true }]);
    expect(await statusOf(server, id)).toBe("online");
    expect(await eventsOf(server, id)).toHaveLength(before);
  });

  it("refuses what is no id, and an unknown one", async () => {
    expect((await report("no-id", {})).status).toBe(400);
    expect((await report(ABSENT, {})).status).toBe(404);
  });

  it("takes any text, cut at any place, and masks secrets in it", async () => {
    const [id, restore] = await createHanging();
    try {
      const secret = "value-that-must-not-be-told";
      await server.request(`/workspaces/${id}/secrets`, { body: { key: "A_KEY", value: secret } });
      const answer = await report(id, {
        error: `\0${secret}`,
        log_tail: `${secret} 🐙${"y".repeat(8191)}`,
      });
      expect(answer.status).toBe(200);
      expect(JSON.stringify(await eventsOf(server, id))).not.toContain(secret);
      await untilStatus(server, id, "failed");
    } finally {
      restore();
    }
  });
});
