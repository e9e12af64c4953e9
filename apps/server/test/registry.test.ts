import { eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { events, operations, workspaces } from "../src/store/schema.js";
import { findWorkspaceRow } from "../src/store/workspaces.js";
import { startTestServer, type TestAnswer, type TestServer } from "./support/test-server.js";

type NewRow = Partial<typeof workspaces.$inferInsert>;

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer({ loops: "elsewhere" });
}, 60_000);
afterAll(() => server[Symbol.asyncDispose]());
beforeEach(async () => {
  const { db } = server.context.store;
  await db.update(workspaces).set({ parentId: null });
  await db.delete(workspaces);
  await db.delete(operations);
  await db.delete(events);
});

/** An external workspace, because nothing else touches its row. */
async function insertWorkspace(columns: NewRow = {}): Promise<string> {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
    id,
    name: `agent ${id.slice(0, 4)}`,
    tier: 2,
    status: "online",
    runtime: "external",
    createdBy: "admin",
    ...columns,
  });
  return id;
}

async function issueToken(workspaceId: string): Promise<string> {
  const { tokens, store } = server.context;
  const { token } = await store.db.transaction((tx) =>
    tokens.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" }),
  );
  return token;
}

const rowOf = async (id: string) => {
  const row = await findWorkspaceRow(server.context.store.db, id);
  if (row === undefined) throw new Error(`no row ${id}`);
  return row;
};

const eventsOf = async (id: string) =>
  server.context.store.db
    .select()
    .from(events)
    .where(eq(events.workspaceId, id))
    .orderBy(events.id);

const register = (id: string, other: object = {}, token: string | null = null) =>
  server.request("/registry/register", {
    body: { id, url: "http://localhost:9", agent_card: { name: "card" }, ...other },
    token,
  });

const beat = (id: string, other: object = {}, token: string | null = null) =>
  server.request("/registry/heartbeat", { body: { workspace_id: id, ...other }, token });

const codeOf = ({ status, body }: TestAnswer) => [status, (body as { code?: string }).code];

describe("POST /registry/register", () => {
  it("brings a workspace that waits for its agent online, and hands out its first token", async () => {
    const id = await insertWorkspace({ status: "awaiting_agent" });
    const answer = await register(id);
    expect(answer.status).toBe(200);
    expect(answer.body).toEqual({
      status: "registered",
      auth_token: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
    });
    const { auth_token: token } = answer.body as { auth_token: string };
    expect(await rowOf(id)).toMatchObject({
      status: "online",
      url: "http://localhost:9",
      urlTrusted: false,
      agentCard: { name: "card" },
    });
    expect((await rowOf(id)).lastHeartbeatAt).not.toBeNull();
    const recorded = await eventsOf(id);
    expect(recorded.map(({ eventType }) => eventType)).toEqual([
      "TOKEN_ISSUED",
      "WORKSPACE_ONLINE",
    ]);
    expect(JSON.stringify(recorded)).not.toContain(token);
    expect((await beat(id, {}, token)).status).toBe(200);
  });

  it("without the token that is on file changes nothing", async () => {
    const id = await insertWorkspace({ status: "awaiting_agent" });
    await issueToken(id);
    const before = await rowOf(id);
    expect(codeOf(await register(id))).toEqual([401, "ERR_UNAUTHENTICATED"]);
    expect(await rowOf(id)).toEqual(before);
  });

  it("of a workspace whose container is still to come gives nobody its first token", async () => {
    const id = await insertWorkspace({ status: "provisioning", runtime: "langgraph" });
    expect(codeOf(await register(id))).toEqual([401, "ERR_UNAUTHENTICATED"]);
    expect(codeOf(await beat(id))).toEqual([401, "ERR_UNAUTHENTICATED"]);
    const headers = { "x-workspace-id": id };
    const peers = await server.request(`/registry/${id}/peers`, { token: null, headers });
    expect(codeOf(peers)).toEqual([401, "ERR_UNAUTHENTICATED"]);
    expect((await register(id, {}, server.adminToken)).body).toEqual({ status: "registered" });
  });

  it("with its token is taken again, and gives no second one", async () => {
    const id = await insertWorkspace({ status: "offline" });
    const answer = await register(id, {}, await issueToken(id));
    expect(answer.body).toEqual({ status: "registered" });
    expect((await rowOf(id)).status).toBe("online");
  });

  it("with the token of another workspace is refused", async () => {
    const [id, other] = [await insertWorkspace(), await insertWorkspace()];
    expect(codeOf(await register(id, {}, await issueToken(other)))).toEqual([403, "ERR_FORBIDDEN"]);
  });

  it("does not revive a removed workspace, and makes none", async () => {
    const id = await insertWorkspace({ status: "removed" });
    const before = await rowOf(id);
    expect(codeOf(await register(id))).toEqual([404, "ERR_NOT_FOUND"]);
    expect(await rowOf(id)).toEqual(before);
    const unknown = randomUUID();
    expect(codeOf(await register(unknown))).toEqual([404, "ERR_NOT_FOUND"]);
    expect(await findWorkspaceRow(server.context.store.db, unknown)).toBeUndefined();
  });

  it.each(["paused", "hibernated"] as const)("leaves a %s workspace at rest", async (status) => {
    const id = await insertWorkspace({ status });
    expect(codeOf(await register(id))).toEqual([409, "ERR_CONFLICT"]);
    expect((await rowOf(id)).status).toBe(status);
  });

  it.each([
    "file:///etc/passwd",
    "ftp://example.com/",
    "not a url",
    "http://169.254.169.254/",
    "http://127.0.0.1:1/",
    "http://[::1]/",
    "http://[fe80::1]/",
    "http://192.0.2.1/",
    "http://100.64.0.1/",
    "http://10.0.0.1/",
    "http://nowhere.invalid/",
  ])("refuses the URL %s and stores nothing", async (url) => {
    const id = await insertWorkspace({ status: "awaiting_agent" });
    const before = await rowOf(id);
    expect(codeOf(await register(id, { url }))).toEqual([400, "ERR_AGENT_URL_REFUSED"]);
    expect(await rowOf(id)).toEqual(before);
  });

  it.each<[string, NewRow]>([
    ["the provisioner stored", { url: "http://172.18.0.9:8000", urlTrusted: true }],
    ["leads to this machine", { url: "http://127.0.0.1:32768" }],
  ])("keeps a URL that %s, whatever the agent says", async (_which, columns) => {
    const id = await insertWorkspace({ runtime: "langgraph", ...columns });
    const answer = await register(id, { url: "http://3f2a9c1d7e55:8000" }, await issueToken(id));
    expect(answer.status).toBe(200);
    expect(await rowOf(id)).toMatchObject({ url: columns.url, agentCard: { name: "card" } });
  });

  it("takes an agent that calls itself by its container's name before its URL is stored", async () => {
    const id = await insertWorkspace({ runtime: "langgraph", status: "provisioning" });
    const answer = await register(id, { url: "http://3f2a9c1d7e55:8000" }, await issueToken(id));
    expect(answer.status).toBe(200);
    expect(await rowOf(id)).toMatchObject({ status: "online", url: null });
  });

  it.each([
    ["no id", { id: undefined }],
    ["no URL", { url: "" }],
    ["no card", { agent_card: undefined }],
    ["a card with a NUL character", { agent_card: { name: "a\0" } }],
  ])("refuses a body with %s", async (_what, other) => {
    const id = await insertWorkspace();
    expect(codeOf(await register(id, other))).toEqual([400, "ERR_REQUEST_INVALID"]);
  });
});

describe("POST /registry/heartbeat", () => {
  it.each([
    ["offline", {}, "online"],
    ["provisioning", {}, "online"],
    ["online", {}, "online"],
    ["online", { runtime_state: "wedged" }, "degraded"],
    ["degraded", { runtime_state: "wedged" }, "degraded"],
    ["degraded", {}, "online"],
    ["paused", {}, "paused"],
    ["hibernated", {}, "hibernated"],
    ["failed", {}, "failed"],
  ] as const)("of a workspace that is %s with %j leaves it %s", async (status, body, expected) => {
    const id = await insertWorkspace({ status });
    expect((await beat(id, body)).body).toEqual({ status: "ok" });
    expect((await rowOf(id)).status).toBe(expected);
  });

  it.each([
    [-5, 0],
    [2e12, 1e12],
    [0, 42],
  ])("with a monthly spend of %d stores %d", async (spend, expected) => {
    const id = await insertWorkspace({ monthlySpend: 42 });
    await beat(id, { monthly_spend: spend });
    expect((await rowOf(id)).monthlySpend).toBe(expected);
  });

  it("does not revive a removed workspace", async () => {
    const id = await insertWorkspace({ status: "removed" });
    const before = await rowOf(id);
    expect(codeOf(await beat(id))).toEqual([404, "ERR_NOT_FOUND"]);
    expect(await rowOf(id)).toEqual(before);
  });

  it("needs the token once there is one", async () => {
    const id = await insertWorkspace({ status: "offline" });
    const token = await issueToken(id);
    expect((await beat(id)).status).toBe(401);
    expect((await rowOf(id)).status).toBe("offline");
    expect((await beat(id, {}, token)).status).toBe(200);
    expect((await rowOf(id)).status).toBe("online");
  });

  it.each([
    ["no id", {}],
    ["an id that is none", { workspace_id: "x" }],
    ["an error rate that is no number", { workspace_id: randomUUID(), error_rate: "high" }],
  ])("with %s is refused", async (_what, body) => {
    const answer = await server.request("/registry/heartbeat", { body, token: null });
    expect(codeOf(answer)).toEqual([400, "ERR_REQUEST_INVALID"]);
  });

  it("that is no JSON is refused", async () => {
    const response = await fetch(`${server.url}/registry/heartbeat`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{",
    });
    expect(response.status).toBe(400);
    await response.arrayBuffer();
  });

  it("stores no secret that an agent lets slip", async () => {
    const id = await insertWorkspace();
    server.context.redactor.add("slipped-secret-1");
    await beat(id, { sample_error: "401 with slipped-secret-1", runtime_state: "wedged" });
    expect((await rowOf(id)).lastSampleError).toBe("401 with ***");
    expect(JSON.stringify(await eventsOf(id))).not.toContain("slipped-secret-1");
  });
});

describe("POST /registry/update-card", () => {
  it("stores the card and tells of it", async () => {
    const id = await insertWorkspace();
    const answer = await server.request("/registry/update-card", {
      body: { workspace_id: id, agent_card: { skills: ["new"] } },
      token: null,
    });
    expect(answer.body).toEqual({ status: "updated" });
    expect((await rowOf(id)).agentCard).toEqual({ skills: ["new"] });
    expect((await eventsOf(id)).map(({ eventType }) => eventType)).toEqual(["AGENT_CARD_UPDATED"]);
  });

  it("knows no workspace that was removed", async () => {
    const id = await insertWorkspace({ status: "removed" });
    const answer = await server.request("/registry/update-card", {
      body: { workspace_id: id, agent_card: {} },
      token: null,
    });
    expect(codeOf(answer)).toEqual([404, "ERR_NOT_FOUND"]);
  });
});

describe("discovery", () => {
  const url = "https://agent.example";
  const discover = (id: string, caller?: string, token: string | null = null) =>
    server.request(
      `/registry/discover/${id}`,
      caller === undefined ? {} : { token, headers: { "x-workspace-id": caller } },
    );

  it("tells where an agent is", async () => {
    const id = await insertWorkspace({ url, name: "target" });
    expect((await discover(id)).body).toEqual({ id, url, name: "target" });
    expect((await discover(id, id)).body).toEqual({ id, url, name: "target" });
  });

  it("tells an agent in a container the address on its network, and one outside the other", async () => {
    const id = await insertWorkspace({ url, internalUrl: "http://ws-1:8000" });
    const inside = await insertWorkspace({ runtime: "langgraph" });
    const outside = await insertWorkspace();
    const token = await issueToken(inside);
    expect((await discover(id, inside, token)).body).toMatchObject({ url: "http://ws-1:8000" });
    expect((await discover(id, outside)).body).toMatchObject({ url });
  });

  it("knows no workspace that is not there or was removed", async () => {
    const removed = await insertWorkspace({ status: "removed", url });
    expect(codeOf(await discover(removed))).toEqual([404, "ERR_NOT_FOUND"]);
    expect(codeOf(await discover(randomUUID()))).toEqual([404, "ERR_NOT_FOUND"]);
  });

  it.each([
    ["provisioning", null, "15"],
    ["online", "", "15"],
    ["paused", url, null],
  ] as const)(
    "of a %s workspace with the URL %j answers 503",
    async (status, stored, retryAfter) => {
      const id = await insertWorkspace({ status, url: stored });
      const answer = await discover(id);
      expect(codeOf(answer)).toEqual([503, "ERR_AGENT_NOT_READY"]);
      expect(answer.headers.get("retry-after")).toBe(retryAfter);
      expect(answer.body).not.toHaveProperty("waking");
    },
  );

  it.each([null, "", url])(
    "of a hibernated workspace with the URL %j wakes it, once",
    async (stored) => {
      const id = await insertWorkspace({ status: "hibernated", url: stored, runtime: "langgraph" });
      let arrived = (): void => undefined;
      const released = new Promise<void>((resolve) => (arrived = resolve));
      const stop = server.host.before("image", () => released);
      try {
        const answers = await Promise.all([discover(id), discover(id)]);
        for (const answer of answers) {
          expect(codeOf(answer)).toEqual([503, "ERR_AGENT_NOT_READY"]);
          expect(answer.headers.get("retry-after")).toBe("15");
        }
        expect(answers[0].body).toMatchObject({ waking: true, retry_after: 15 });
        expect((await rowOf(id)).status).toBe("provisioning");
        const asked = await server.context.store.db
          .select()
          .from(operations)
          .where(eq(operations.workspaceId, id));
        expect(asked.map(({ kind }) => kind)).toEqual(["resume"]);
      } finally {
        stop();
        arrived();
      }
    },
  );

  it("is only for those with the same parent, and those above and below", async () => {
    const root = await insertWorkspace({ url });
    const child = await insertWorkspace({ url, parentId: root });
    const sibling = await insertWorkspace({ url, parentId: root });
    const grandchild = await insertWorkspace({ url, parentId: child });
    const otherRoot = await insertWorkspace({ url });
    const nephew = await insertWorkspace({ url, parentId: otherRoot });
    const reach: [string, string, boolean][] = [
      [root, root, true],
      [root, otherRoot, true],
      [child, sibling, true],
      [root, grandchild, true],
      [grandchild, root, true],
      [grandchild, sibling, false],
      [child, nephew, false],
      [nephew, root, false],
    ];
    for (const [caller, target, allowed] of reach) {
      expect((await discover(target, caller)).status).toBe(allowed ? 200 : 403);
      const check = await server.request("/registry/check-access", {
        body: { caller_id: caller, target_id: target },
        token: null,
        headers: { "x-workspace-id": caller },
      });
      expect(check.body).toEqual({ allowed });
    }
  });

  it.each(["webhook:1", "system:x", "test:x", "channel:x"])(
    "refuses a caller that calls itself %s",
    async (caller) => {
      const id = await insertWorkspace({ url });
      expect(codeOf(await discover(id, caller))).toEqual([403, "ERR_FORBIDDEN"]);
    },
  );

  it("lists peers without those that were removed, to the workspace itself only", async () => {
    const root = await insertWorkspace({ url });
    const child = await insertWorkspace({ url, parentId: root });
    const sibling = await insertWorkspace({ url, parentId: root });
    const grandchild = await insertWorkspace({ url, parentId: child });
    await insertWorkspace({ status: "removed", parentId: root });
    await insertWorkspace({ url });
    const ask = (caller: string) =>
      server.request(`/registry/${child}/peers`, {
        token: null,
        headers: { "x-workspace-id": caller },
      });
    const { body } = await ask(child);
    expect((body as { id: string }[]).map(({ id }) => id).sort()).toEqual(
      [root, sibling, grandchild].sort(),
    );
    expect(codeOf(await ask(sibling))).toEqual([403, "ERR_FORBIDDEN"]);
  });

  it("answers a workspace about itself only", async () => {
    const [caller, other] = [await insertWorkspace(), await insertWorkspace()];
    const check = await server.request("/registry/check-access", {
      body: { caller_id: other, target_id: caller },
      token: null,
      headers: { "x-workspace-id": caller },
    });
    expect(codeOf(check)).toEqual([403, "ERR_FORBIDDEN"]);
  });
});
