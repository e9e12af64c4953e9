import { eq } from "drizzle-orm";
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { WorkspaceStatus } from "../src/state/workspace-status.js";
import {
  events,
  globalSecrets,
  operations,
  workspaces,
  workspaceSecrets,
} from "../src/store/schema.js";
import { findWorkspaceRow } from "../src/store/workspaces.js";
import { startTestServer, type TestAnswer, type TestServer } from "./support/test-server.js";

type NewRow = Partial<typeof workspaces.$inferInsert>;

let server: TestServer;
let release: () => void;

beforeAll(async () => {
  server = await startTestServer({ loops: "elsewhere" });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());

beforeEach(async () => {
  const { db } = server.context.store;
  await db.delete(workspaces);
  await db.delete(operations);
  await db.delete(globalSecrets);
  await db.delete(events);
  // Restarts stand still at their first step, so that what they wait for can be looked at.
  const opened = new Promise<void>((resolve) => (release = resolve));
  const remove = server.host.before("image", () => opened);
  return async () => {
    remove();
    release();
    await settleAll();
  };
});

/** Waits until nothing is under way: the next test deletes the rows. */
async function settleAll(): Promise<void> {
  const { operations: queue, store } = server.context;
  for (const { id } of await store.db.select({ id: operations.id }).from(operations)) {
    await queue.cancel(id, { actor: "admin" });
    await queue.settled(id, { signal: AbortSignal.timeout(10_000) });
  }
}

async function insertWorkspace(
  status: WorkspaceStatus = "online",
  columns: NewRow = {},
): Promise<string> {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
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

const statusOf = async (id: string) =>
  (await findWorkspaceRow(server.context.store.db, id))?.status;

const restartsOf = async (id: string) =>
  (await server.context.store.db.select().from(operations).where(eq(operations.workspaceId, id)))
    .filter(({ kind }) => kind === "restart")
    .map(({ state }) => state);

const eventsNamed = async (type: string) =>
  (await server.context.store.db.select().from(events)).filter(
    ({ eventType }) => eventType === type,
  );

const save = (path: string, key: string, value: string, method = "POST") =>
  server.request(path, { method, body: { key, value } });

const codeOf = ({ status, body }: TestAnswer) => [status, (body as { code?: string }).code];

describe("secrets of a workspace", () => {
  it.each(["POST", "PUT"])(
    "are saved by %s, listed without values, and told in full",
    async (method) => {
      const id = await insertWorkspace();
      const path = `/workspaces/${id}/secrets`;
      const saved = await save(path, "API_KEY", "value-1", method);
      expect(saved.status).toBe(200);
      expect(saved.body).toMatchObject({ status: "saved", key: "API_KEY" });
      await save("/settings/secrets", "SHARED", "value-2");
      const moment = expect.stringMatching(/^\d{4}-.*Z$/);
      const entry = { has_value: true, created_at: moment, updated_at: moment };
      expect((await server.request(path)).body).toEqual([
        { key: "API_KEY", scope: "workspace", ...entry },
        { key: "SHARED", scope: "global", ...entry },
      ]);
      const values = await server.request(`${path}/values`);
      expect(values.body).toEqual({ API_KEY: "value-1", SHARED: "value-2" });
      expect(values.headers.get("cache-control")).toBe("no-store");
    },
  );

  it("are deleted by name, and not when they are global", async () => {
    const id = await insertWorkspace();
    const path = `/workspaces/${id}/secrets`;
    await save(path, "API_KEY", "value-1");
    await save("/settings/secrets", "SHARED", "value-2");
    const deleted = await server.request(`${path}/API_KEY`, { method: "DELETE" });
    expect(deleted.body).toMatchObject({ status: "deleted", key: "API_KEY" });
    for (const key of ["API_KEY", "SHARED", "NEVER"]) {
      const answer = await server.request(`${path}/${key}`, { method: "DELETE" });
      expect(codeOf(answer)).toEqual([404, "ERR_NOT_FOUND"]);
    }
    expect((await server.request(`${path}/values`)).body).toEqual({ SHARED: "value-2" });
  });

  it("that cannot be decrypted are named in a 500, and no value is told", async () => {
    const id = await insertWorkspace();
    await save(`/workspaces/${id}/secrets`, "KEPT", "kept-value");
    await server.context.store.db.insert(workspaceSecrets).values({
      workspaceId: id,
      key: "LOST",
      encryptedValue: randomBytes(40),
      encryptionVersion: 1,
      keyId: "unknown",
    });
    const answer = await server.request(`/workspaces/${id}/secrets/values`);
    expect(codeOf(answer)).toEqual([500, "ERR_SECRET_UNREADABLE"]);
    expect(answer.body).toMatchObject({ failed_keys: ["LOST"] });
    expect(JSON.stringify(answer.body)).not.toContain("kept-value");
  });

  it("of a workspace that is not there, or was removed, are not found", async () => {
    const removed = await insertWorkspace("removed");
    for (const id of [removed, randomUUID()]) {
      const path = `/workspaces/${id}/secrets`;
      expect(codeOf(await server.request(path))).toEqual([404, "ERR_NOT_FOUND"]);
      expect(codeOf(await server.request(`${path}/values`))).toEqual([404, "ERR_NOT_FOUND"]);
      expect(codeOf(await save(path, "A", "v"))).toEqual([404, "ERR_NOT_FOUND"]);
    }
    expect(await server.context.store.db.select().from(workspaceSecrets)).toEqual([]);
  });

  it.each([
    ["a reserved name", { key: "WORKSPACE_ID", value: "v" }, "ERR_SECRET_NAME_RESERVED"],
    ["a name that is none", { key: "A B", value: "v" }, "ERR_REQUEST_INVALID"],
    ["a name that is too long", { key: "A".repeat(129), value: "v" }, "ERR_REQUEST_INVALID"],
    ["a value that is too long", { key: "A", value: "v".repeat(65_537) }, "ERR_REQUEST_INVALID"],
    ["an empty value", { key: "A", value: "" }, "ERR_REQUEST_INVALID"],
    ["no value", { key: "A" }, "ERR_REQUEST_INVALID"],
    ["a member that is not known", { key: "A", value: "v", scope: "x" }, "ERR_REQUEST_INVALID"],
  ])("with %s are refused before anything is written", async (_what, body, code) => {
    const id = await insertWorkspace();
    for (const path of [`/workspaces/${id}/secrets`, "/settings/secrets"]) {
      expect(codeOf(await server.request(path, { body }))).toEqual([400, code]);
    }
    expect(await restartsOf(id)).toEqual([]);
    expect(await server.context.store.db.select().from(workspaceSecrets)).toEqual([]);
    expect(await server.context.store.db.select().from(globalSecrets)).toEqual([]);
  });

  it("are told nowhere: not in an answer, an event, an operation or a row", async () => {
    const id = await insertWorkspace();
    const value = "needle-in-a-haystack";
    const answers = [
      await save(`/workspaces/${id}/secrets`, "A", value),
      await save("/settings/secrets", "B", value),
      await server.request(`/workspaces/${id}/secrets`),
      await server.request(`/workspaces/${id}`),
    ];
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    const refusal = await save("/settings/secrets", "WORKSPACE_ID", value);
    expect(refusal.status).toBe(400);
    const { db } = server.context.store;
    const kept = [
      [...answers, refusal].map(({ body }) => body),
      await db.select().from(events),
      await db.select().from(operations),
      await db.select().from(workspaces),
    ];
    expect(JSON.stringify(kept)).not.toContain(value);
    for (const { encryptedValue } of await db.select().from(workspaceSecrets)) {
      expect(Buffer.from(encryptedValue).includes(value)).toBe(false);
    }
  });
});

describe("a saved secret", () => {
  it.each(["provisioning", "online", "degraded", "offline", "failed"] as const)(
    "restarts a workspace that is %s, and both are told with the name only",
    async (status) => {
      const id = await insertWorkspace(status);
      const { body } = await save(`/workspaces/${id}/secrets`, "A", "value-1");
      expect(body).toMatchObject({ operations: [{ workspace_id: id, state: "queued" }] });
      expect(await statusOf(id)).toBe("provisioning");
      expect(await restartsOf(id)).toHaveLength(1);
      expect(await eventsNamed("SECRET_SAVED")).toMatchObject([
        { workspaceId: id, actor: "admin", payload: { key: "A", scope: "workspace" } },
      ]);
      expect(await eventsNamed("OPERATION_QUEUED")).toHaveLength(1);
    },
  );

  it.each(["paused", "hibernating", "hibernated"] as const)(
    "does not start a workspace that is %s",
    async (status) => {
      const id = await insertWorkspace(status);
      const { body } = await save(`/workspaces/${id}/secrets`, "A", "value-1");
      expect(body).toMatchObject({ status: "saved", operations: [] });
      expect(await statusOf(id)).toBe(status);
      expect(await restartsOf(id)).toEqual([]);
    },
  );

  it("does not touch an external workspace", async () => {
    const id = await insertWorkspace("online", { runtime: "external" });
    await save(`/workspaces/${id}/secrets`, "A", "value-1");
    expect(await statusOf(id)).toBe("online");
    expect(await restartsOf(id)).toEqual([]);
  });

  it("is never lost between two that are saved at once: the restart that comes last has both", async () => {
    const id = await insertWorkspace();
    const path = `/workspaces/${id}/secrets`;
    const answers = await Promise.all([save(path, "A", "a"), save(path, "B", "b")]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const third = await save(path, "C", "c");
    const [{ id: last }] = (third.body as { operations: [{ id: string }] }).operations;
    release();
    const ended = await server.context.operations.settled(last, {
      signal: AbortSignal.timeout(20_000),
    });
    expect(ended?.state).toBe("succeeded");
    expect(server.host.workspaces.get(id)?.seed.secrets).toMatchObject({ A: "a", B: "b", C: "c" });
  });

  it("of all workspaces restarts those that run and have none of that name", async () => {
    const parent = await insertWorkspace();
    const child = await insertWorkspace("failed", { parentId: parent });
    const overriding = await insertWorkspace("online");
    const paused = await insertWorkspace("paused");
    const external = await insertWorkspace("online", { runtime: "external" });
    await server.context.secrets.save(
      server.context.store.db,
      { scope: "workspace", workspaceId: overriding, key: "A" },
      "own",
    );
    for (const change of [
      () => save("/settings/secrets", "A", "v"),
      () => server.request("/admin/secrets/A", { method: "DELETE" }),
    ]) {
      const { status, body } = await change();
      expect(status).toBe(200);
      expect(body).toMatchObject({ key: "A", scope: "global" });
      const { operations: asked } = body as { operations: { workspace_id: string }[] };
      expect(asked.map((one) => one.workspace_id).sort()).toEqual([parent, child].sort());
    }
    for (const id of [overriding, paused, external]) expect(await restartsOf(id)).toEqual([]);
    expect(await eventsNamed("SECRET_DELETED")).toMatchObject([
      { workspaceId: null, payload: { key: "A", scope: "global" } },
    ]);
  });

  it("of all workspaces is the same under both paths", async () => {
    await save("/admin/secrets", "A", "v", "PUT");
    const [settings, admin] = [
      await server.request("/settings/secrets"),
      await server.request("/admin/secrets"),
    ];
    expect(settings.body).toMatchObject([{ key: "A", has_value: true, scope: "global" }]);
    expect(admin.body).toEqual(settings.body);
    expect(codeOf(await server.request("/settings/secrets/B", { method: "DELETE" }))).toEqual([
      404,
      "ERR_NOT_FOUND",
    ]);
  });
});

describe("the model of a workspace", () => {
  it("is the template's, the one it was created with, the chosen one, and the template's again", async () => {
    const id = await insertWorkspace();
    const path = `/workspaces/${id}/model`;
    const read = async () => (await server.request(path)).body;
    expect(await read()).toEqual({ model: "", source: "default" });
    await server.context.store.db.update(workspaces).set({ model: "created" });
    expect(await read()).toEqual({ model: "created", source: "workspace" });
    await save("/settings/secrets", "MODEL_PROVIDER", "shared");
    expect(await read()).toEqual({ model: "shared", source: "global_secrets" });

    const chosen = await server.request(path, { method: "PUT", body: { model: "chosen" } });
    expect(chosen.body).toMatchObject({ status: "saved", operations: [{ workspace_id: id }] });
    expect(await read()).toEqual({ model: "chosen", source: "workspace_secrets" });
    const { secrets, store } = server.context;
    expect(await secrets.readEffective(store.db, id)).toMatchObject({ MODEL_PROVIDER: "chosen" });

    const cleared = await server.request(path, { method: "PUT", body: { model: "" } });
    expect(cleared.body).toMatchObject({ status: "cleared" });
    expect(await read()).toEqual({ model: "shared", source: "global_secrets" });
  });

  it.each(["a\nb", "a".repeat(101)])("is one short line, unlike %j", async (model) => {
    const id = await insertWorkspace();
    const answer = await server.request(`/workspaces/${id}/model`, {
      method: "PUT",
      body: { model },
    });
    expect(codeOf(answer)).toEqual([400, "ERR_REQUEST_INVALID"]);
    expect(await restartsOf(id)).toEqual([]);
  });
});

describe("the configuration of a workspace", () => {
  const patch = (id: string, body: unknown) =>
    server.request(`/workspaces/${id}/config`, { method: "PATCH", body });

  it("is empty at first, and merged member by member", async () => {
    const id = await insertWorkspace();
    const read = async () => (await server.request(`/workspaces/${id}/config`)).body;
    expect(await read()).toEqual({ data: {} });
    expect((await patch(id, { a: { b: 1 }, c: [1] })).body).toEqual({ status: "updated" });
    await patch(id, { a: { d: null } });
    expect(await read()).toEqual({ data: { a: { d: null }, c: [1] } });
    expect(await statusOf(id)).toBe("online");
    const told = await eventsNamed("CONFIG_UPDATED");
    expect(told.map(({ payload }) => payload)).toEqual([{ keys: ["a", "c"] }, { keys: ["a"] }]);
  });

  it.each([[[1]], ["text"], [{ a: "\0" }]])("cannot be %j", async (body) => {
    const id = await insertWorkspace();
    expect(codeOf(await patch(id, body))).toEqual([400, "ERR_REQUEST_INVALID"]);
  });

  it("has at most 256 KiB, in one piece or in several", async () => {
    const id = await insertWorkspace();
    const half = "x".repeat(130 * 1024);
    expect(codeOf(await patch(id, { a: half, b: half }))).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    expect((await patch(id, { a: half })).status).toBe(200);
    expect(codeOf(await patch(id, { b: half }))).toEqual([413, "ERR_REQUEST_TOO_LARGE"]);
    expect((await patch(id, { a: "small" })).status).toBe(200);
    expect((await server.request(`/workspaces/${id}/config`)).body).toEqual({
      data: { a: "small" },
    });
  });
});
