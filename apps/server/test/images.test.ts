import { eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { readImagePins, readPinnedImage } from "../src/images/pins.js";
import { imageDigests, operations, workspaces } from "../src/store/schema.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

const REGISTRY = { MOLECULE_IMAGE_REGISTRY: "registry.test/molecule" };
const DIGEST = `sha256:${"a".repeat(64)}`;
const REFRESH = "/admin/workspace-images/refresh";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer({
    env: { ...REGISTRY, MOLECULE_IMAGE_PINS: `hermes=${DIGEST}` },
    loops: "elsewhere",
  });
});
const undo: (() => void)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) step();
  const { db } = server.context.store;
  await db.delete(workspaces);
  await db.delete(imageDigests);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

async function insertWorkspace(
  values: Partial<typeof workspaces.$inferInsert> = {},
): Promise<string> {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
    id,
    name: "agent",
    tier: 2,
    status: "online",
    runtime: "langgraph",
    hostId: server.host.host.id,
    imageRef: "registry.test/old",
    imageId: "sha256:old",
    createdBy: "admin",
    ...values,
  });
  return id;
}

function failToPull(runtime?: string): void {
  const stop = server.host.before("image", ({ subject }) => {
    if (runtime === undefined || runtime === subject) throw new Error("no such manifest");
  });
  undo.push(stop);
}

/** Upgrades that were asked for. */
async function upgradesOf(id: string): Promise<unknown[]> {
  const rows = await server.context.store.db
    .select()
    .from(operations)
    .where(eq(operations.workspaceId, id));
  return rows.filter(({ params }) => params["upgrade"] === true).map(({ kind }) => kind);
}

describe("images", () => {
  it("tells what each runtime is, is pinned to, and what its workspaces run", async () => {
    const ids = [await insertWorkspace(), await insertWorkspace()];
    await insertWorkspace({ status: "removed" });
    const { body } = await server.request("/images");
    const { runtimes, ...rest } = body as { runtimes: { runtime: string }[] };
    expect(rest).toEqual({ mode: "registry", prefix: "registry.test/molecule" });
    const byName = new Map(runtimes.map((runtime) => [runtime.runtime, runtime]));
    expect(byName.get("langgraph")).toMatchObject({
      image: "registry.test/molecule/workspace-template-langgraph:latest",
      pin: null,
      seen: null,
      in_use: [
        { image: "registry.test/old", workspaces: 2, workspace_ids: expect.arrayContaining(ids) },
      ],
    });
    expect(byName.get("hermes")).toMatchObject({
      image: `registry.test/molecule/workspace-template-hermes@${DIGEST}`,
      pin: { digest: DIGEST, source: "environment" },
      in_use: [],
    });
  });

  it("pulls all runtimes, and remembers the digest of those that came, and only of those", async () => {
    failToPull("codex");
    const { status, body } = await server.request(REFRESH, { method: "POST" });
    expect(status).toBe(200);
    const { pulled, failed, recreated } = body as Record<string, string[]>;
    expect(failed).toEqual(["codex"]);
    expect(recreated).toEqual([]);
    // The pin of the environment holds one.
    expect([...(pulled ?? []), "codex", "hermes"].sort()).toEqual([
      ...server.context.runtimes.names,
    ]);
    const seen = await server.context.store.db.select().from(imageDigests);
    expect(seen.map(({ runtime }) => runtime).sort()).toEqual([...(pulled ?? [])].sort());
    expect(seen[0]?.digest).toMatch(/^sha256:[0-9a-f]{64}$/);
  });

  it("keeps the digest it knew when a pull fails", async () => {
    const path = `${REFRESH}?runtime=codex`;
    await server.request(path, { method: "POST" });
    const before = await server.context.store.db.select().from(imageDigests);
    failToPull();
    const { body } = await server.request(path, { method: "POST" });
    expect(body).toMatchObject({ pulled: [], failed: ["codex"], failures: [{ runtime: "codex" }] });
    expect(await server.context.store.db.select().from(imageDigests)).toEqual(before);
  });

  it("restarts through the queue what runs another image, and nothing else", async () => {
    const image = await server.host.host.images.ensure("langgraph");
    const old = await insertWorkspace();
    const others = [
      await insertWorkspace({ imageId: image.imageId }),
      await insertWorkspace({ status: "paused" }),
      await insertWorkspace({ runtime: "codex" }),
      await insertWorkspace({ hostId: "another-engine" }),
    ];
    const { body } = await server.request(`${REFRESH}?runtime=langgraph&recreate=true`, {
      method: "POST",
    });
    expect(body).toMatchObject({
      pulled: ["langgraph"],
      failed: [],
      recreated: [`ws-${old.slice(0, 12)}`],
      operations: [{ workspace_id: old }],
    });
    expect(await upgradesOf(old)).toEqual(["restart"]);
    for (const other of others) expect(await upgradesOf(other)).toEqual([]);
  });

  it("leaves everything as it is when the pull fails, also with recreate", async () => {
    const id = await insertWorkspace();
    failToPull();
    const { body } = await server.request(`${REFRESH}?runtime=langgraph&recreate=true`, {
      method: "POST",
    });
    expect(body).toMatchObject({ pulled: [], recreated: [] });
    expect(await upgradesOf(id)).toEqual([]);
  });

  it("refuses a runtime it does not know, and names those it knows", async () => {
    for (const name of ["nope", "../../x", ""]) {
      const query = new URLSearchParams({ runtime: name }).toString();
      const { status, body } = await server.request(`${REFRESH}?${query}`, { method: "POST" });
      expect(status).toBe(400);
      expect(body).toMatchObject({ known_runtimes: [...server.context.runtimes.names] });
    }
  });

  it("builds what workspaces run where images are built", async () => {
    await using builder = await startTestServer({ store: server.context.store });
    await insertWorkspace();
    const { body } = await builder.request(REFRESH, { method: "POST" });
    expect(body).toMatchObject({ pulled: ["langgraph"], failed: [] });
    const pin = await builder.request("/admin/images/langgraph/pin", {
      method: "PUT",
      body: { digest: DIGEST },
    });
    expect(pin).toMatchObject({ status: 409, body: { code: "ERR_CONFLICT" } });
  });

  it("pins a runtime until the pin is taken away", async () => {
    const { store, config, runtimes } = server.context;
    const path = "/admin/images/langgraph/pin";
    const registry = { kind: "registry", prefix: "registry.test/molecule" } as const;
    const question = { runtime: "langgraph", registry, env: config.env };
    const put = await server.request(path, { method: "PUT", body: { digest: DIGEST } });
    expect(put).toMatchObject({ status: 200, body: { runtime: "langgraph", digest: DIGEST } });
    expect(await readPinnedImage(store.db, question)).toBe(
      `registry.test/molecule/workspace-template-langgraph@${DIGEST}`,
    );
    expect(await readPinnedImage(store.db, { ...question, runtime: "codex" })).toBeUndefined();
    expect((await readImagePins(store.db, { env: config.env, runtimes })).get("langgraph")).toBe(
      DIGEST,
    );
    const refreshed = await server.request(`${REFRESH}?runtime=langgraph`, { method: "POST" });
    expect(refreshed.body).toMatchObject({ pulled: [], pinned: ["langgraph"] });
    expect((await server.request(path, { method: "DELETE" })).status).toBe(200);
    expect((await server.request(path, { method: "DELETE" })).status).toBe(404);
    expect(await readPinnedImage(store.db, question)).toBeUndefined();
  });

  it.each([{}, { digest: "latest" }, { digest: `${DIGEST}A` }, { digest: DIGEST, more: 1 }])(
    "takes no pin like %j",
    async (body) => {
      const put = await server.request("/admin/images/langgraph/pin", { method: "PUT", body });
      expect(put.status).toBe(400);
      const unknown = await server.request("/admin/images/nope/pin", {
        method: "PUT",
        body: { digest: DIGEST },
      });
      expect(unknown.status).toBe(404);
    },
  );
});
