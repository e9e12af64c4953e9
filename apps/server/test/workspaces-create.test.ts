import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { idempotencyKeys, workspaces, workspaceSecrets } from "../src/store/schema.js";
import { bodyOf, create, createOnline, eventsOf, untilStatus, type Json } from "./support/fleet.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
let configs: string;

beforeAll(async () => {
  configs = await mkdtemp(join(tmpdir(), "molecule-configs-"));
  await template(
    "researcher",
    "name: Researcher\nruntime: hermes\nruntime_config:\n  model: m-1\n",
  );
  await template("legacy", "runtime: codex\nmodel: top-level\n");
  await template("strange", "runtime: no-such-runtime\n");
  await template("broken", "- not\n- a mapping\n");
  await template("crewai-default", "runtime: crewai\n");
  server = await startTestServer({ env: { CONFIGS_DIR: configs } });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(configs, { recursive: true, force: true });
});

async function template(name: string, configYaml: string): Promise<void> {
  await mkdir(join(configs, name));
  await writeFile(join(configs, name, "config.yaml"), configYaml);
}

const tryCreate = (body: unknown, headers: Record<string, string> = {}) =>
  server.request("/workspaces", { body, headers });
const countWorkspaces = (): Promise<number> => server.context.store.db.$count(workspaces);
const find = async (id: string): Promise<Json> => bodyOf(await server.request(`/workspaces/${id}`));

/** The request is refused, and nothing was written. */
async function expectRefused(body: unknown, status: number, code: string): Promise<Json> {
  const before = await countWorkspaces();
  const answer = await tryCreate(body);
  expect([answer.status, bodyOf(answer)["code"]]).toEqual([status, code]);
  expect(await countWorkspaces()).toBe(before);
  return bodyOf(answer);
}

describe("POST /workspaces", () => {
  it("needs a name", async () => {
    await expectRefused({}, 400, "ERR_REQUEST_INVALID");
  });

  it("makes a workspace of tier 2, runtime langgraph and access none when only a name is given", async () => {
    const answer = await tryCreate({ name: "Default Agent" });
    expect(answer.status).toBe(201);
    const body = bodyOf(answer);
    const id = body["id"] as string;
    expect(body).toMatchObject({
      status: "provisioning",
      awareness_namespace: `workspace:${id}`,
      workspace_access: "none",
      operations: [{ workspace_id: id, state: "queued" }],
    });
    expect(await find(id)).toMatchObject({
      name: "Default Agent",
      tier: 2,
      runtime: "langgraph",
      workspace_access: "none",
      max_concurrent_tasks: 1,
      x: 0,
      y: 0,
    });
    await untilStatus(server, id, "online");
  });

  it("records who asked for the workspace and by which request", async () => {
    const answer = await tryCreate({ name: "audited" }, { "x-request-id": "5".repeat(32) });
    const events = await eventsOf(server, bodyOf(answer)["id"] as string);
    expect(events[0]).toMatchObject({
      event_type: "WORKSPACE_PROVISIONING",
      actor: "admin",
      request_id: "5".repeat(32),
      payload: { name: "audited", tier: 2, runtime: "langgraph" },
    });
  });

  it("stores no secret for an empty secrets object", async () => {
    const id = await create(server, { secrets: {} });
    const { db } = server.context.store;
    expect(await db.$count(workspaceSecrets, sql`workspace_id = ${id}`)).toBe(0);
  });

  it("stores secrets with the workspace, sealed", async () => {
    const id = await create(server, { secrets: { API_KEY: "sk-very-secret-value" } });
    const listed = await server.request(`/workspaces/${id}/secrets`);
    expect(JSON.stringify(listed.body)).toContain("API_KEY");
    expect(JSON.stringify(listed.body)).not.toContain("sk-very-secret-value");
    expect(JSON.stringify(await eventsOf(server, id))).not.toContain("sk-very-secret-value");
  });

  it("refuses a secret that cannot be one before anything is written", async () => {
    const before = await countWorkspaces();
    const answer = await tryCreate({ name: "a", secrets: { "not a name": "x" } });
    expect(answer.status).toBe(400);
    expect(await countWorkspaces()).toBe(before);
  });

  it("takes runtime and model from the template when they are left out", async () => {
    const id = await create(server, { template: "researcher" });
    expect(await find(id)).toMatchObject({
      runtime: "hermes",
      model: "m-1",
      template: "researcher",
    });
    const legacy = await create(server, { template: "legacy" });
    expect(await find(legacy)).toMatchObject({ runtime: "codex", model: "top-level" });
  });

  it("prefers the model of the request to the one of the template", async () => {
    const id = await create(server, { template: "researcher", model: "mine" });
    expect(await find(id)).toMatchObject({ runtime: "hermes", model: "mine" });
  });

  it("uses the default template of the runtime when none is named", async () => {
    const id = await create(server, { runtime: "crewai" });
    expect(await find(id)).toMatchObject({ template: "crewai-default" });
  });

  it("falls back to the default of a given runtime for a template that is not there, and says so", async () => {
    const body = bodyOf(await tryCreate({ name: "a", template: "gone", runtime: "crewai" }));
    expect(body).toMatchObject({ template: "crewai-default", runtime: "crewai" });
    expect(body["warnings"]).toEqual([expect.stringContaining("gone")]);
  });

  it.each(["../../etc", "..", "a/b", "broken", "gone", "/etc"])(
    "refuses the template %j before anything is written",
    async (name) => {
      await expectRefused({ name: "a", template: name }, 400, "ERR_REQUEST_INVALID");
    },
  );

  it("refuses a broken template also when runtime and model are given", async () => {
    const body = { name: "a", template: "broken", runtime: "hermes", model: "m" };
    await expectRefused(body, 400, "ERR_REQUEST_INVALID");
  });

  it("refuses a template of a runtime that is not known", async () => {
    await expectRefused({ name: "a", template: "strange" }, 400, "ERR_RUNTIME_UNKNOWN");
  });

  it.each(["no-such", "claude-code-default"])(
    "refuses the unknown runtime %s with the list of those it knows",
    async (runtime) => {
      const body = await expectRefused({ name: "a", runtime }, 400, "ERR_RUNTIME_UNKNOWN");
      expect(body["details"]).toMatchObject({ known: server.context.runtimes.names });
    },
  );

  it.each(["../../x", "   "])("refuses the runtime %j, which is no name", async (runtime) => {
    await expectRefused({ name: "a", runtime }, 400, "ERR_RUNTIME_NAME_INVALID");
  });

  it("refuses a runtime with a line break in it", async () => {
    await expectRefused({ name: "a", runtime: "langgraph\nevil" }, 400, "ERR_REQUEST_INVALID");
  });

  it("makes langgraph of an empty runtime, and takes each of the nine", async () => {
    expect(await find(await create(server, { runtime: "" }))).toMatchObject({
      runtime: "langgraph",
    });
    for (const runtime of server.context.runtimes.names) {
      expect(await find(await create(server, { runtime }))).toMatchObject({ runtime });
    }
  });

  it.each([
    ["relative", "ERR_HOST_CONFIG_PATH_INVALID"],
    ["/home/../etc", "ERR_HOST_CONFIG_PATH_INVALID"],
    ["/etc/ssh", "ERR_HOST_CONFIG_PATH_FORBIDDEN"],
    ["/usr", "ERR_HOST_CONFIG_PATH_FORBIDDEN"],
    ["/var/run/docker.sock", "ERR_HOST_CONFIG_PATH_FORBIDDEN"],
  ])("refuses the workspace directory %s", async (directory, code) => {
    await expectRefused(
      { name: "a", workspace_dir: directory, workspace_access: "read_write" },
      400,
      code,
    );
  });

  it("refuses access to a directory that is not given, and access of no known kind", async () => {
    const body = { name: "a", workspace_access: "read_only" };
    await expectRefused(body, 400, "ERR_HOST_CONFIG_ACCESS_INVALID");
    await expectRefused({ name: "a", workspace_access: "all" }, 400, "ERR_REQUEST_INVALID");
  });

  it("says that a directory without access is not mounted", async () => {
    const answer = bodyOf(await tryCreate({ name: "a", workspace_dir: "/srv/data" }));
    expect(answer).toMatchObject({ workspace_access: "none" });
    expect(answer["warnings"]).toEqual([expect.stringContaining("workspace_access")]);
  });

  it("refuses a tier above the highest allowed one, and records who asked", async () => {
    await expectRefused({ name: "greedy", tier: 3 }, 403, "ERR_TIER_NOT_ALLOWED");
    const { rows } = (await server.context.store.db.execute(
      sql`select actor, payload from structure_events where event_type = 'TIER_REFUSED'`,
    )) as unknown as { rows: Json[] };
    expect(rows).toEqual([{ actor: "admin", payload: { tier: 3, max_tier: 2, name: "greedy" } }]);
  });

  it("needs a parent that is there and not removed", async () => {
    const absent = "00000000-0000-4000-8000-000000000000";
    await expectRefused({ name: "a", parent_id: absent }, 400, "ERR_REQUEST_INVALID");
    const parent = await createOnline(server);
    const child = await create(server, { parent_id: parent });
    expect(await find(child)).toMatchObject({ parent_id: parent });
    await server.request(`/workspaces/${child}`, { method: "DELETE" });
    await expectRefused({ name: "a", parent_id: child }, 400, "ERR_REQUEST_INVALID");
  });

  it("refuses a tree of more than 32 levels", async () => {
    let parent = await create(server, { external: true });
    for (let level = 2; level <= 32; level += 1) {
      parent = await create(server, { external: true, parent_id: parent });
    }
    const body = { name: "a", external: true, parent_id: parent };
    await expectRefused(body, 400, "ERR_REQUEST_INVALID");
  });

  it("writes nothing when a secret cannot be written", async () => {
    await using own = await startTestServer();
    const { db } = own.context.store;
    await db.execute(
      sql`alter table workspace_secrets add constraint never check (key <> 'API_KEY')`,
    );
    const answer = await own.request("/workspaces", {
      body: { name: "a", secrets: { API_KEY: "value-of-the-key" } },
    });
    expect(answer.status).toBe(500);
    expect(answer.body).toEqual({
      error: expect.any(String),
      code: "ERR_INTERNAL",
      hint: expect.any(String),
    });
    expect(JSON.stringify(answer.body)).not.toContain("workspace_secrets");
    expect(await db.$count(workspaces)).toBe(0);
  });

  it("fails with 500 when the workspace cannot be written, and tells nothing of the database", async () => {
    await using own = await startTestServer();
    await own.context.store.db.execute(
      sql`alter table workspaces add constraint never check (name <> 'a')`,
    );
    const answer = await own.request("/workspaces", { body: { name: "a" } });
    expect(answer.status).toBe(500);
    expect(JSON.stringify(answer.body)).not.toMatch(/constraint|never|workspaces/);
  });
});

describe("an external workspace", () => {
  it("stores the URL of an agent as it was checked, not as it was written", async () => {
    const id = await create(server, { external: true, url: "http://8.8.8.8\\@169.254.169.254/" });
    const { url } = bodyOf(await server.request(`/workspaces/${id}`));
    expect(url).toBe("http://8.8.8.8/@169.254.169.254/");
  });

  it("refuses memories that are nested without end", async () => {
    const nested = `${"[".repeat(50_000)}${"]".repeat(50_000)}`;
    const answer = await fetch(`${server.url}/workspaces`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${server.adminToken}`,
        "content-type": "application/json",
        "idempotency-key": "nested",
      },
      body: `{"name":"a","external":true,"initial_memories":[${nested}]}`,
    });
    expect(answer.status).toBe(400);
  });

  it("is online at once when it says where it listens", async () => {
    const answer = await tryCreate({ name: "a", external: true, url: "http://8.8.8.8:9000/a2a" });
    expect(answer.status).toBe(201);
    const body = bodyOf(answer);
    expect(body).toMatchObject({ external: true, status: "online", operations: [] });
    // Else whoever registers first would be given a token, and with it the secrets.
    expect(body["connection"]).toMatchObject({
      workspace_id: body["id"],
      auth_token: expect.stringMatching(/^[\w-]{43}$/) as string,
    });
    const stranger = await server.request("/registry/register", {
      method: "POST",
      token: null,
      body: { id: body["id"], url: "http://8.8.8.8:9001", agent_card: {} },
    });
    expect(stranger.status).toBe(401);
    expect(await find(body["id"] as string)).toMatchObject({
      runtime: "external",
      url: "http://8.8.8.8:9000/a2a",
    });
  });

  it("is waited for when it does not, and is given what it registers with", async () => {
    const body = bodyOf(await tryCreate({ name: "a", runtime: "external" }));
    const id = body["id"] as string;
    expect(body).toMatchObject({ external: true, status: "awaiting_agent" });
    const connection = body["connection"] as Record<string, string>;
    expect(connection).toMatchObject({
      workspace_id: id,
      platform_url: server.url,
      registry_endpoint: `${server.url}/registry/register`,
    });
    const own = await server.request(`/workspaces/${id}/state`, {
      token: connection["auth_token"],
    });
    expect(own.body).toMatchObject({ status: "awaiting_agent" });
  });

  it.each([
    "http://169.254.169.254/",
    "http://127.0.0.1:1",
    "ftp://example.org",
    "http://10.0.0.1",
  ])("is refused at %s", async (url) => {
    await expectRefused({ name: "a", external: true, url }, 400, "ERR_AGENT_URL_REFUSED");
  });

  it("is refused when the request contradicts itself", async () => {
    await expectRefused(
      { name: "a", external: true, runtime: "hermes" },
      400,
      "ERR_REQUEST_INVALID",
    );
    await expectRefused({ name: "a", url: "http://8.8.8.8" }, 400, "ERR_REQUEST_INVALID");
  });
});

describe("an Idempotency-Key", () => {
  const key = (value: string) => ({ "idempotency-key": value });

  it("makes one workspace of two requests at once, with one answer", async () => {
    const before = await countWorkspaces();
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => tryCreate({ name: "once" }, key("at-once"))),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([201]));
    expect(new Set(answers.map(({ body }) => JSON.stringify(body))).size).toBe(1);
    expect(await countWorkspaces()).toBe(before + 1);
  });

  it("gives the stored answer to a later request, whatever the order of its fields", async () => {
    const first = await tryCreate({ name: "later", tier: 1 }, key("later"));
    const second = await tryCreate({ tier: 1, name: "later" }, key("later"));
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
  });

  it("refuses another request with the same key", async () => {
    await tryCreate({ name: "one" }, key("reused"));
    const other = await tryCreate({ name: "other" }, key("reused"));
    expect(other.status).toBe(422);
    expect(bodyOf(other)["code"]).toBe("ERR_IDEMPOTENCY_KEY_REUSED");
  });

  it("keeps nothing of a request that was refused", async () => {
    expect((await tryCreate({ name: "a", runtime: "no-such" }, key("retry"))).status).toBe(400);
    expect((await tryCreate({ name: "a" }, key("retry"))).status).toBe(201);
  });

  it("is free again after 24 hours", async () => {
    await tryCreate({ name: "old" }, key("old"));
    await server.context.store.db
      .update(idempotencyKeys)
      .set({ createdAt: sql`now() - interval '25 hours'` });
    const before = await countWorkspaces();
    expect((await tryCreate({ name: "new" }, key("old"))).status).toBe(201);
    expect(await countWorkspaces()).toBe(before + 1);
  });

  it("keeps no token: a repeated answer is without it", async () => {
    const body = { name: "a", external: true };
    const first = bodyOf(await tryCreate(body, key("external")));
    const { auth_token: token, ...rest } = first["connection"] as Json;
    expect(token).toEqual(expect.any(String));
    const second = bodyOf(await tryCreate(body, key("external")));
    expect(second["id"]).toBe(first["id"]);
    expect(second["connection"]).toEqual(rest);
    const stored = JSON.stringify(await server.context.store.db.select().from(idempotencyKeys));
    expect(stored).not.toContain(token);
  });

  it.each(["", "two words", "x".repeat(256)])("cannot be %j", async (value) => {
    const answer = await tryCreate({ name: "a" }, key(value));
    expect(answer.status).toBe(400);
  });
});
