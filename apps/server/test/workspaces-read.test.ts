import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { toWorkspaceView } from "../src/api/to-workspace-view.js";
import { workspaceView } from "../src/api/workspace-view.js";
import { findWorkspace } from "../src/workspaces/list-workspaces.js";
import { bodyOf, create, createOnline, type Json } from "./support/fleet.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;

beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

const ABSENT = "00000000-0000-4000-8000-000000000000";
const HIDDEN = [
  "budget_limit",
  "monthly_spend",
  "current_task",
  "last_sample_error",
  "workspace_dir",
];

async function tokenOf(id: string): Promise<string> {
  const answer = await server.request(`/workspaces/${id}/tokens`, { method: "POST" });
  return bodyOf(answer)["auth_token"] as string;
}

describe("GET /workspaces", () => {
  it("answers an empty list when there are none", async () => {
    await using own = await startTestServer();
    const answer = await own.request("/workspaces");
    expect([answer.status, answer.body]).toEqual([200, []]);
  });

  it("fails with 500 when the store does", async () => {
    await using own = await startTestServer();
    await own.context.store.db.execute(sql`drop table workspaces cascade`);
    for (const path of ["/workspaces", `/workspaces/${ABSENT}`]) {
      const answer = await own.request(path);
      expect([answer.status, bodyOf(answer)["code"]]).toEqual([500, "ERR_INTERNAL"]);
    }
  });

  it("lists what the administrator may know, and why a workspace is in its status", async () => {
    const id = await createOnline(server, { name: "listed", workspace_dir: "/srv/listed" });
    const rows = (await server.request("/workspaces?q=listed")).body as Json[];
    expect(rows).toHaveLength(1);
    expect(rows[0]).toMatchObject({
      id,
      workspace_dir: "/srv/listed",
      last_sample_error: "",
      why: { kind: "provision", state: "succeeded", code: null },
    });
    expect(rows.map((row) => workspaceView.parse(row))).toEqual(rows);
    const found = await findWorkspace(server.context.store.db, id);
    expect(found && toWorkspaceView(found.row, found.last)).toEqual(rows[0]);
  });

  it("filters by status, runtime, parent and text, taken literally", async () => {
    const parent = await create(server, { name: "filter parent", external: true });
    const child = await create(server, {
      name: "100% Filter_child",
      external: true,
      parent_id: parent,
    });
    const idsOf = async (query: string): Promise<unknown[]> =>
      ((await server.request(`/workspaces?${query}`)).body as Json[]).map(({ id }) => id);
    expect(await idsOf("q=FILTER")).toEqual([parent, child]);
    expect(await idsOf("q=100%25")).toEqual([child]);
    expect(await idsOf("q=r_c")).toEqual([child]);
    expect(await idsOf("q=l_e")).toEqual([]);
    expect(await idsOf(`parent_id=${parent}`)).toEqual([child]);
    expect(await idsOf("status=awaiting_agent&runtime=external")).toEqual([parent, child]);
    expect(await idsOf("runtime=hermes")).toEqual([]);
  });

  it("hides removed workspaces unless they are asked for", async () => {
    const id = await create(server, { name: "removed one", external: true });
    await server.request(`/workspaces/${id}`, { method: "DELETE" });
    expect((await server.request("/workspaces?q=removed%20one")).body).toEqual([]);
    expect((await server.request("/workspaces?q=removed%20one&status=removed")).body).toMatchObject(
      [{ id, status: "removed" }],
    );
  });

  it("leads from page to page until every workspace was listed once", async () => {
    const ids: string[] = [];
    for (let at = 0; at < 7; at += 1) {
      ids.push(await create(server, { name: "paged", external: true }));
    }
    const listed: unknown[] = [];
    let path: string | undefined = "/workspaces?q=paged&limit=3";
    const sizes: number[] = [];
    while (path !== undefined) {
      const answer = await server.request(path);
      const rows = answer.body as Json[];
      sizes.push(rows.length);
      listed.push(...rows.map(({ id }) => id));
      const link = answer.headers.get("link");
      expect(link === null).toBe(answer.headers.get("x-next-cursor") === null);
      path = /^<([^>]*)>; rel="next"$/.exec(link ?? "")?.[1];
    }
    expect(sizes).toEqual([3, 3, 1]);
    expect(listed).toEqual(ids);
  });

  it.each(["limit=0", "limit=1001", "limit=x", "cursor=x", "status=gone", "parent_id=1", "q=%00"])(
    "refuses %s",
    async (query) => {
      expect((await server.request(`/workspaces?${query}`)).status).toBe(400);
    },
  );
});

describe("GET /workspaces/:id", () => {
  it("answers 404 for an unknown workspace and 400 for what is no id", async () => {
    expect((await server.request(`/workspaces/${ABSENT}`)).status).toBe(404);
    expect((await server.request("/workspaces/no-id")).status).toBe(400);
  });

  it("tells nobody of budget, task, error and directory", async () => {
    const id = await create(server, { workspace_dir: "/srv/hidden", budget_limit: 5 });
    for (const token of [null, await tokenOf(id), server.adminToken]) {
      const body = bodyOf(await server.request(`/workspaces/${id}`, { token }));
      expect(body).toMatchObject({ id, last_outbound_at: null });
      expect(Object.keys(body).filter((key) => HIDDEN.includes(key))).toEqual([]);
    }
  });

  it("tells why only to the workspace itself and to the administrator", async () => {
    const id = await create(server, { external: true });
    const other = await create(server, { external: true });
    const keysFor = async (token: string | null): Promise<string[]> =>
      Object.keys(bodyOf(await server.request(`/workspaces/${id}`, { token })));
    expect(await keysFor(server.adminToken)).toContain("why");
    expect(await keysFor(await tokenOf(id))).toContain("why");
    expect(await keysFor(await tokenOf(other))).not.toContain("why");
    expect(await keysFor(null)).not.toContain("why");
  });

  it("says why a workspace failed: code, message and hint", async () => {
    const stop = server.host.before("create", () => {
      throw new Error("the engine said no");
    });
    try {
      const id = await create(server);
      await expect
        .poll(async () => bodyOf(await server.request(`/workspaces/${id}`))["status"])
        .toBe("failed");
      const { why } = bodyOf(await server.request(`/workspaces/${id}`));
      expect(why).toMatchObject({
        kind: "provision",
        state: "failed",
        code: expect.stringMatching(/^ERR_/),
        message: expect.stringMatching(/./),
      });
    } finally {
      stop();
    }
  }, 30_000);
});

describe("GET /workspaces/:id/state", () => {
  it("tells the status, and whether it is paused", async () => {
    const id = await create(server, { external: true });
    const state = () => server.request(`/workspaces/${id}/state`);
    expect((await state()).body).toEqual({
      workspace_id: id,
      status: "awaiting_agent",
      paused: false,
      deleted: false,
    });
    await server.request(`/workspaces/${id}/pause`, { method: "POST" });
    expect((await state()).body).toMatchObject({ status: "paused", paused: true });
  });

  it("answers deleted: true for a workspace that is not there, or not any more", async () => {
    const id = await create(server, { external: true });
    await server.request(`/workspaces/${id}`, { method: "DELETE" });
    for (const gone of [ABSENT, id]) {
      const answer = await server.request(`/workspaces/${gone}/state`);
      expect(answer.status).toBe(404);
      expect(answer.body).toMatchObject({ workspace_id: gone, deleted: true });
    }
  });

  it("needs the token of the workspace", async () => {
    const id = bodyOf(
      await server.request("/workspaces", {
        body: { name: "a", external: true, url: "http://8.8.8.8" },
      }),
    )["id"] as string;
    const path = `/workspaces/${id}/state`;
    expect((await server.request(path, { token: null })).status).toBe(401);
    expect((await server.request(path, { token: await tokenOf(id) })).status).toBe(200);
  });
});

describe("GET /workspaces/:id/console", () => {
  it("answers 501 and leads to the logs", async () => {
    const answer = await server.request(`/workspaces/${ABSENT}/console`);
    expect(answer.status).toBe(501);
    expect(bodyOf(answer)["hint"]).toContain(`/workspaces/${ABSENT}/logs`);
  });
});
