import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { and, eq, inArray, sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { operations, workspaces } from "../src/store/schema.js";
import { ServerError } from "../src/errors.js";
import { createMemoryHost, type MemoryHost } from "./support/memory-host.js";
import {
  bodyOf,
  create,
  createOnline,
  eventsOf,
  post,
  statusOf,
  untilStatus,
  type Json,
} from "./support/fleet.js";
import { startTestServer, type TestAnswer, type TestServer } from "./support/test-server.js";

let server: TestServer;
let configs: string;

beforeAll(async () => {
  configs = await mkdtemp(join(tmpdir(), "molecule-configs-"));
  for (const name of ["research-agent", "own", "hermes-default"]) {
    await mkdir(join(configs, name));
    await writeFile(join(configs, name, "config.yaml"), `name: ${name}\n`);
  }
  server = await startTestServer({ env: { CONFIGS_DIR: configs } });
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await rm(configs, { recursive: true, force: true });
});

const ABSENT = "00000000-0000-4000-8000-000000000000";
const VERBS = ["restart", "pause", "resume", "hibernate"] as const;

const act = (id: string, verb: string, body?: unknown): Promise<TestAnswer> =>
  post(server, `/workspaces/${id}/${verb}`, body);

/** Steps at `point` wait until the result is called; then no step waits any more. */
function hold(point: "start" | "stop" | "image"): { reached: Promise<void>; release: () => void } {
  let release = (): void => undefined;
  let reach = (): void => undefined;
  const reached = new Promise<void>((resolve) => (reach = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const restore = server.host.before(point, async () => {
    reach();
    await released;
  });
  return {
    reached,
    release: () => {
      restore();
      release();
    },
  };
}

const openOperations = (id: string) =>
  server.context.store.db
    .select({ state: operations.state, kind: operations.kind })
    .from(operations)
    .where(
      and(
        eq(operations.workspaceId, id),
        inArray(operations.state, ["queued", "running", "waiting"]),
      ),
    );
const generationOf = (id: string): number => server.host.workspaces.get(id)?.generation ?? 0;

describe("every change of the lifecycle", () => {
  it.each(VERBS)("%s answers 404 for a workspace that is unknown or removed", async (verb) => {
    const removed = await create(server, { external: true });
    await server.request(`/workspaces/${removed}`, { method: "DELETE" });
    for (const id of [ABSENT, removed]) expect((await act(id, verb)).status).toBe(404);
    expect(await statusOf(server, removed)).toBe("removed");
  });

  it("fails with 500 when the store does, and tells nothing of it", async () => {
    await using own = await startTestServer();
    await own.context.store.db.execute(sql`drop table workspaces cascade`);
    for (const verb of VERBS) {
      const answer = await post(own, `/workspaces/${ABSENT}/${verb}`);
      expect([answer.status, bodyOf(answer)["code"]]).toEqual([500, "ERR_INTERNAL"]);
      expect(JSON.stringify(answer.body)).not.toContain("relation");
    }
  });
});

describe("POST /workspaces/:id/restart", () => {
  it("starts a new container, keeps the configuration, and records who asked", async () => {
    const id = await createOnline(server);
    const answer = await act(id, "restart");
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({
      status: "provisioning",
      config_dir: "existing-volume",
      reset_session: false,
      operations: [{ workspace_id: id }],
    });
    await untilStatus(server, id, "online");
    expect(generationOf(id)).toBe(2);
    const asked = (await eventsOf(server, id)).filter(
      (event) => event["event_type"] === "WORKSPACE_PROVISIONING",
    );
    expect(asked).toHaveLength(2);
    expect(asked[1]).toMatchObject({ actor: "admin", request_id: expect.any(String) });
  });

  it("takes reset from the query or the body", async () => {
    const id = await createOnline(server);
    expect((await act(id, "restart?reset=true")).body).toMatchObject({ reset_session: true });
    expect((await act(id, "restart", { reset: true })).body).toMatchObject({ reset_session: true });
  });

  it.each<[Json, string]>([
    [{}, "existing-volume"],
    [{ template: "own" }, "own"],
    [{ template: "own", apply_template: true }, "own"],
    [{ apply_template: true }, "research-agent"],
    [{ template: "../../etc/passwd" }, "existing-volume"],
    [{ template: "missing" }, "existing-volume"],
  ])("configures Research Agent asked with %j by %s", async (body, configDir) => {
    const id = await createOnline(server, { name: "Research Agent" });
    expect((await act(id, "restart", body)).body).toMatchObject({ config_dir: configDir });
    await untilStatus(server, id, "online");
  });

  it("applies the default template of the runtime when none has the name", async () => {
    const id = await createOnline(server, { name: "nameless", runtime: "hermes" });
    const answer = await act(id, "restart", { apply_template: true });
    expect(answer.body).toMatchObject({ config_dir: "hermes-default" });
    const other = await createOnline(server, { name: "nameless", runtime: "codex" });
    const nothing = await act(other, "restart", { apply_template: true });
    expect(nothing.body).toMatchObject({ config_dir: "existing-volume" });
    await untilStatus(server, id, "online");
    await untilStatus(server, other, "online");
  });

  it("answers 409 when it or a grandparent is paused, and leaves it paused", async () => {
    const top = await create(server, { external: true });
    const middle = await create(server, { external: true, parent_id: top });
    const id = await createOnline(server, { parent_id: middle });
    // One above is paused alone, as a move below a paused one leaves it.
    await server.context.store.db
      .update(workspaces)
      .set({ status: "paused" })
      .where(eq(workspaces.id, top));
    const answer = await act(id, "restart");
    expect(answer.status).toBe(409);
    expect(bodyOf(answer)["error"]).toContain("paused");
    expect((await act(id, "pause")).status).toBe(200);
    const own = await act(id, "restart");
    expect([own.status, await statusOf(server, id)]).toEqual([409, "paused"]);
  });

  it("answers 409 for an external workspace, which stays as it is", async () => {
    const id = await create(server, { external: true });
    expect((await act(id, "restart")).status).toBe(409);
    expect(await statusOf(server, id)).toBe("awaiting_agent");
  });

  it("makes of twenty at once one that runs and at most one that waits", async () => {
    const id = await createOnline(server);
    const held = hold("start");
    try {
      await act(id, "restart");
      await held.reached;
      const answers = await Promise.all(Array.from({ length: 20 }, () => act(id, "restart")));
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
      const open = await openOperations(id);
      expect(open.map(({ state }) => state).sort()).toEqual(["running", "waiting"]);
    } finally {
      held.release();
    }
    await expect.poll(() => openOperations(id)).toEqual([]);
    await untilStatus(server, id, "online");
    expect(generationOf(id)).toBeLessThanOrEqual(3);
  });
});

describe("POST /workspaces/:id/pause and /resume", () => {
  it("stops the container, keeps its storage, and starts it again", async () => {
    const id = await createOnline(server);
    const paused = await act(id, "pause");
    expect(paused.status).toBe(200);
    expect(paused.body).toMatchObject({
      status: "paused",
      paused_count: 1,
      operations: [{ workspace_id: id, state: "succeeded" }],
    });
    expect(server.host.workspaces.get(id)?.status).not.toBe("running");
    expect(server.host.storage.has(id)).toBe(true);
    const resumed = await act(id, "resume");
    expect(resumed.body).toMatchObject({ status: "provisioning", resumed_count: 1 });
    await untilStatus(server, id, "online");
    expect(server.host.workspaces.get(id)?.status).toBe("running");
  });

  it("pauses and resumes all below too, but not those that were paused before", async () => {
    const parent = await createOnline(server);
    const child = await createOnline(server, { parent_id: parent });
    const early = await createOnline(server, { parent_id: child });
    expect((await act(early, "pause")).body).toMatchObject({ paused_count: 1 });
    expect((await act(parent, "pause")).body).toMatchObject({ paused_count: 2 });
    expect(await statusOf(server, child)).toBe("paused");
    expect((await act(child, "resume")).status).toBe(409);
    expect((await act(parent, "resume")).body).toMatchObject({ resumed_count: 3 });
    for (const id of [parent, child, early]) await untilStatus(server, id, "online");
  });

  it("answers 404 to pause what is paused and to resume what is not", async () => {
    const id = await createOnline(server);
    expect((await act(id, "resume")).status).toBe(404);
    await act(id, "pause");
    expect((await act(id, "pause")).status).toBe(404);
    await act(id, "resume");
    await untilStatus(server, id, "online");
  });

  it("lets an external workspace wait for its agent again", async () => {
    const id = await create(server, { external: true });
    expect((await act(id, "pause")).body).toMatchObject({ paused_count: 1, operations: [] });
    expect((await act(id, "resume")).body).toMatchObject({
      status: "awaiting_agent",
      operations: [],
    });
    expect(await statusOf(server, id)).toBe("awaiting_agent");
  });

  it("wins over a provision that is under way: it ends paused, and nothing runs", async () => {
    const held = hold("start");
    let id: string;
    try {
      id = await create(server);
      await held.reached;
      const pausing = act(id, "pause");
      await untilStatus(server, id, "paused");
      held.release();
      expect((await pausing).status).toBe(200);
    } finally {
      held.release();
    }
    await expect.poll(() => openOperations(id)).toEqual([]);
    expect(await statusOf(server, id)).toBe("paused");
    expect(server.host.workspaces.get(id)?.status).not.toBe("running");
  });

  it("answers 500 when the container does not stop, and says which", async () => {
    const id = await createOnline(server);
    const restore = server.host.before("stop", () => {
      throw new Error("the engine is stuck");
    });
    try {
      const answer = await act(id, "pause");
      expect(answer.status).toBe(500);
      expect(answer.body).toMatchObject({
        code: "ERR_STOP_INCOMPLETE",
        paused_count: 1,
        failures: [{ workspace_id: id }],
      });
    } finally {
      restore();
    }
  }, 40_000);
});

describe("a server without an engine", () => {
  it("answers 503 to restart and resume, and leaves the workspace as it is", async () => {
    const host: { -readonly [Key in keyof MemoryHost]: MemoryHost[Key] } = createMemoryHost();
    await using own = await startTestServer({ host });
    const running = await createOnline(own);
    const paused = await createOnline(own);
    await post(own, `/workspaces/${paused}/pause`);
    Object.assign(host, {
      host: undefined,
      require: () => {
        throw new ServerError("ERR_ENGINE_UNAVAILABLE", "There is no engine.");
      },
    });
    for (const path of [`/workspaces/${running}/restart`, `/workspaces/${paused}/resume`]) {
      const answer = await post(own, path);
      expect([answer.status, bodyOf(answer)["code"]]).toEqual([503, "ERR_ENGINE_UNAVAILABLE"]);
    }
    expect(await statusOf(own, running)).toBe("online");
    expect(await statusOf(own, paused)).toBe("paused");
  });
});

describe("POST /workspaces/:id/hibernate", () => {
  const setTasks = (id: string, activeTasks: number) =>
    server.context.store.db.update(workspaces).set({ activeTasks }).where(eq(workspaces.id, id));

  it("stops an idle workspace, and a restart wakes it", async () => {
    const id = await createOnline(server);
    const answer = await act(id, "hibernate");
    expect(answer.status).toBe(200);
    expect(answer.body).toMatchObject({ status: "hibernated" });
    expect(answer.body).not.toHaveProperty("interrupted_tasks");
    expect(await statusOf(server, id)).toBe("hibernated");
    expect(server.host.workspaces.get(id)?.status).not.toBe("running");
    expect((await act(id, "restart")).status).toBe(200);
    await untilStatus(server, id, "online");
  });

  it("answers 404 for one that is neither online nor degraded", async () => {
    const id = await createOnline(server);
    await act(id, "pause");
    expect((await act(id, "hibernate")).status).toBe(404);
    await act(id, "resume");
    await untilStatus(server, id, "online");
  });

  it("answers 409 with the number of tasks while there are any", async () => {
    const id = await createOnline(server);
    await setTasks(id, 2);
    const answer = await act(id, "hibernate");
    expect([answer.status, bodyOf(answer)["active_tasks"]]).toEqual([409, 2]);
    expect(await statusOf(server, id)).toBe("online");
  });

  it("cuts tasks off with force, and says how many", async () => {
    const id = await createOnline(server);
    await setTasks(id, 3);
    const answer = await act(id, "hibernate?force=true");
    expect(answer.body).toMatchObject({ status: "hibernated", interrupted_tasks: 3 });
    expect(server.host.workspaces.get(id)?.status).not.toBe("running");
  });

  it("stops once when it is asked twice at the same moment", async () => {
    const id = await createOnline(server);
    let stops = 0;
    const restore = server.host.before("stop", ({ subject }) => {
      if (subject === id) stops += 1;
    });
    try {
      const answers = await Promise.all([act(id, "hibernate"), act(id, "hibernate")]);
      expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 404]);
    } finally {
      restore();
    }
    expect(stops).toBe(1);
  });

  it("answers 409 for an external workspace", async () => {
    const id = bodyOf(
      await server.request("/workspaces", {
        body: { name: "a", external: true, url: "http://8.8.8.8" },
      }),
    )["id"] as string;
    expect((await act(id, "hibernate")).status).toBe(409);
  });
});
