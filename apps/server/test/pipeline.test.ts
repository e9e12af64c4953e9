import { WorkspaceError } from "@molecule-ai/provisioner-core";
import { eq } from "drizzle-orm";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createOperationRunner } from "../src/operations/create-operation-runner.js";
import { cancelledFailure } from "../src/operations/operation-failure.js";
import { hashToken } from "../src/access/token-text.js";
import type { Store } from "../src/store/open-store.js";
import {
  builds,
  buildLogs,
  events,
  globalSecrets,
  operations,
  tokens,
  workspaces,
} from "../src/store/schema.js";
import { findWorkspaceRow } from "../src/store/workspaces.js";
import { createMemoryHost, type MemoryHost } from "./support/memory-host.js";
import { startTestServer, type TestServer } from "./support/test-server.js";
import { openMemoryStore } from "./support/memory-store.js";

let store: Store;
let configs: string;
let host: MemoryHost;
let server: TestServer;
beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(() => store[Symbol.asyncDispose]());
beforeEach(async () => {
  configs = await mkdtemp(join(tmpdir(), "molecule-configs-"));
  host = createMemoryHost();
  server = await startTestServer({ store, host, env: { CONFIGS_DIR: configs } });
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(configs, { recursive: true, force: true });
  // The next host has none of them, and its server would make them again.
  await store.db.delete(operations);
  await store.db.delete(workspaces);
});

async function create(body: Record<string, unknown> = {}): Promise<string> {
  const answer = await server.request("/workspaces", { body: { name: "Agent", ...body } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return (answer.body as { id: string }).id;
}

/** The row once no operation of the workspace is open any more. */
async function settled(id: string) {
  for (;;) {
    const row = await findWorkspaceRow(store.db, id);
    const operationId = row?.lastOperationId;
    if (row === undefined || operationId === undefined || operationId === null) return row;
    await server.context.operations.settled(operationId, { signal: AbortSignal.timeout(20_000) });
    const after = await findWorkspaceRow(store.db, id);
    if (after === undefined || after.lastOperationId === operationId) return after;
  }
}

async function eventsOf(id: string, type: string) {
  const rows = await store.db
    .select()
    .from(events)
    .where(eq(events.workspaceId, id))
    .orderBy(events.id);
  return rows.filter(({ eventType }) => eventType === type).map(({ payload }) => payload);
}

async function liveTokens(id: string) {
  const rows = await store.db.select().from(tokens).where(eq(tokens.workspaceId, id));
  return rows.filter(({ revokedAt }) => revokedAt === null);
}

function tokenFile(id: string): string {
  return Buffer.from(host.storage.get(id)?.get("/configs/.auth_token") ?? []).toString("utf8");
}

function configFile(id: string): string {
  return Buffer.from(host.storage.get(id)?.get("/configs/config.yaml") ?? []).toString("utf8");
}

function failing(code = "ERR_WORKSPACE_EXITED" as const): () => never {
  return () => {
    throw new WorkspaceError(code, "Workspace ended with exit code 7.", {
      hint: "Look at its last lines.",
      details: { exitCode: 7, logTail: ["one", "boom"] },
    });
  };
}

const restart = (id: string, body: Record<string, unknown> = {}) =>
  server.request(`/workspaces/${id}/restart`, { method: "POST", body });

describe("a provision", () => {
  it("ends online, with everything known of what runs", async () => {
    const id = await create({ role: "QA", secrets: { API_KEY: "s3cret-value" } });
    const row = await settled(id);
    expect(row).toMatchObject({
      status: "online",
      urlTrusted: true,
      tierApplied: 2,
      hostId: "memory-engine",
      lastSampleError: "",
    });
    expect(row?.url).toMatch(/^http:\/\/127\.0\.0\.1:/);
    expect(row?.internalUrl).toMatch(/^http:\/\/ws-/);
    expect(row?.imageDigest).toMatch(/^sha256:/);
    expect(row?.imageId).toMatch(/^sha256:/);
    expect(row?.provisionStartedAt).toBeInstanceOf(Date);
    const workspace = host.workspaces.get(id);
    expect(workspace?.seed.secrets).toEqual({ API_KEY: "s3cret-value" });
    expect(workspace?.plan.container.env).toEqual(
      expect.arrayContaining(["MOLECULE_AGENT_ROLE=QA", "GIT_AUTHOR_NAME=Molecule AI Agent"]),
    );
    expect(await eventsOf(id, "WORKSPACE_ONLINE")).toHaveLength(1);
    const all = await store.db.select().from(events).where(eq(events.workspaceId, id));
    expect(JSON.stringify(all)).not.toContain("s3cret-value");
  });

  it("gives the agent a token of its own, 43 characters, of which only the hash is kept", async () => {
    const id = await create();
    await settled(id);
    const token = tokenFile(id);
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    const live = await liveTokens(id);
    expect(live.map(({ tokenHash }) => Buffer.from(tokenHash))).toEqual([hashToken(token)]);
  });

  it("that fails says why, and leaves nothing behind", async () => {
    host.before("ready", failing());
    const id = await create();
    const row = await settled(id);
    expect(row).toMatchObject({
      status: "failed",
      lastSampleError: "Workspace ended with exit code 7.",
    });
    expect(host.workspaces.size).toBe(0);
    expect(host.storage.size).toBe(0);
    expect(await liveTokens(id)).toEqual([]);
    expect(await eventsOf(id, "WORKSPACE_PROVISION_FAILED")).toEqual([
      expect.objectContaining({
        error: "Workspace ended with exit code 7.",
        code: "ERR_WORKSPACE_EXITED",
        hint: "Look at its last lines.",
        stage: "ready",
        log_tail: "one\nboom",
      }),
    ]);
  });

  it("says nothing of the inside of an engine or of a stranger's error", async () => {
    host.before("create", () => {
      throw new Error("ami-123 in vpc-9 at 10.0.0.7 refused");
    });
    const id = await create();
    const row = await settled(id);
    expect(row).toMatchObject({ status: "failed", lastSampleError: "provisioning failed" });
    const [failed] = await eventsOf(id, "WORKSPACE_PROVISION_FAILED");
    expect(failed).toMatchObject({ error: "provisioning failed", code: "ERR_INTERNAL" });
    const answer = await server.request(`/workspaces/${id}`);
    const rows = await store.db.select().from(operations).where(eq(operations.workspaceId, id));
    expect(JSON.stringify([failed, answer.body, rows])).not.toMatch(/ami-|vpc-|10\.0\.0\.7/);
  });

  it("with a secret that cannot be read fails with a fixed text and no details", async () => {
    await server.request("/settings/secrets", {
      body: { key: "SHARED_KEY", value: "value-of-it" },
    });
    await store.db.update(globalSecrets).set({ encryptionVersion: 99 });
    const id = await create();
    const row = await settled(id);
    await store.db.delete(globalSecrets);
    expect(row).toMatchObject({
      status: "failed",
      lastSampleError: "failed to decrypt global secret",
    });
    const [payload] = await eventsOf(id, "WORKSPACE_PROVISION_FAILED");
    expect(payload).toMatchObject({ error: "failed to decrypt global secret" });
    expect(JSON.stringify(payload)).not.toContain("SHARED_KEY");
  });

  it("whose configuration needs variables that are missing names them, and makes nothing", async () => {
    await mkdir(join(configs, "needy"));
    await writeFile(
      join(configs, "needy", "config.yaml"),
      "runtime: langgraph\nruntime_config:\n  required_env: [KEY_A, KEY_B]\n",
    );
    let images = 0;
    host.before("image", () => void (images += 1));
    const id = await create({ template: "needy" });
    expect(await settled(id)).toMatchObject({ status: "failed" });
    const [payload] = await eventsOf(id, "WORKSPACE_PROVISION_FAILED");
    expect(payload).toMatchObject({
      code: "ERR_REQUIRED_ENV_MISSING",
      missing: ["KEY_A", "KEY_B"],
    });
    expect(JSON.stringify(payload)).toContain("KEY_A, KEY_B");
    expect(images).toBe(0);
    expect(host.workspaces.size).toBe(0);

    await server.request(`/workspaces/${id}/secrets`, { body: { key: "KEY_A", value: "aaaa" } });
    await settled(id);
    await server.request(`/workspaces/${id}/secrets`, { body: { key: "KEY_B", value: "bbbb" } });
    expect(await settled(id)).toMatchObject({ status: "online" });
  });

  it("takes the named template, else the default one of its runtime, else makes a configuration", async () => {
    const id = await create({ name: 'Odd "name"' });
    await settled(id);
    expect(configFile(id)).toContain('name: "Odd \\"name\\""');
    await mkdir(join(configs, "langgraph-default"));
    await writeFile(join(configs, "langgraph-default", "config.yaml"), "name: from default\n");
    const other = await create();
    await settled(other);
    expect(configFile(other)).toBe("name: from default\n");
  });

  it("keeps the output of its build, and how the build ended", async () => {
    host.before("image", ({ onEvent }) => {
      onEvent({ type: "stage.started", stage: "build", subject: "langgraph" });
      onEvent({ type: "build.log", vertex: "1", stream: "stdout", line: "compiling" });
      onEvent({ type: "stage.finished", stage: "build", outcome: "built", durationMs: 1 });
    });
    const id = await create();
    await settled(id);
    const [build] = await store.db.select().from(builds).where(eq(builds.workspaceId, id));
    expect(build).toMatchObject({ state: "succeeded", logLines: 1 });
    const lines = await store.db
      .select()
      .from(buildLogs)
      .where(eq(buildLogs.buildId, build?.id ?? id));
    expect(lines).toEqual([expect.objectContaining({ seq: 1, line: "compiling" })]);
  });

  it("cancelled in the middle fails, and leaves nothing behind", async () => {
    const reached = new Promise<void>((resolve) => {
      host.before("start", () => {
        resolve();
        return new Promise<void>(() => undefined);
      });
    });
    const id = await create();
    await reached;
    const row = await findWorkspaceRow(store.db, id);
    await server.request(`/operations/${row?.lastOperationId}/cancel`, {
      method: "POST",
      body: {},
    });
    expect(await settled(id)).toMatchObject({ status: "failed" });
    expect(host.workspaces.size).toBe(0);
    expect(await liveTokens(id)).toEqual([]);
  });
});

describe("a restart", () => {
  it("swaps in the row and the secrets as they are now; only the new token is good then", async () => {
    const id = await create({ secrets: { API_KEY: "old-value" } });
    await settled(id);
    const before = tokenFile(id);
    const saved = await server.request(`/workspaces/${id}/secrets`, {
      body: { key: "API_KEY", value: "new-value" },
    });
    expect(saved.status).toBe(200);
    expect(await settled(id)).toMatchObject({ status: "online" });
    expect(host.workspaces.get(id)).toMatchObject({
      generation: 2,
      seed: { secrets: { API_KEY: "new-value" } },
    });
    const after = tokenFile(id);
    expect(after).not.toBe(before);
    expect(await server.context.tokens.verify(before)).toBeUndefined();
    expect(await server.context.tokens.verify(after)).toMatchObject({ workspaceId: id });
  });

  it("that fails leaves the old one online with its token, and says what failed", async () => {
    const id = await create();
    await settled(id);
    const token = tokenFile(id);
    const off = host.before("ready", failing());
    expect((await restart(id)).status).toBe(200);
    const row = await settled(id);
    off();
    expect(row).toMatchObject({
      status: "online",
      lastSampleError: "Workspace ended with exit code 7.",
    });
    expect(tokenFile(id)).toBe(token);
    expect(await server.context.tokens.verify(token)).toMatchObject({ workspaceId: id });
    expect(await liveTokens(id)).toHaveLength(1);
    expect(await eventsOf(id, "WORKSPACE_PROVISION_FAILED")).toEqual([
      expect.objectContaining({ runs_as_before: true }),
    ]);
  });

  it("keeps configuration and image, unless told to make them anew", async () => {
    const id = await create();
    await settled(id);
    const files = host.storage.get(id) as Map<string, Uint8Array>;
    files.set("/configs/config.yaml", Buffer.from("name: mine\n"));
    let images = 0;
    host.before("image", () => void (images += 1));
    await restart(id);
    await settled(id);
    expect(configFile(id)).toBe("name: mine\n");
    expect(images).toBe(0);
    await restart(id, { rebuild_config: true });
    await settled(id);
    expect(configFile(id)).toContain("runtime: langgraph");
  });

  it("keeps the image also when no container tells it: after a reset, and when it is gone", async () => {
    const id = await create();
    const first = await settled(id);
    const off = host.before("image", () => {
      throw new Error("the server of images is away");
    });
    await restart(id, { reset: true });
    expect(await settled(id)).toMatchObject({ status: "online", imageId: first?.imageId });
    expect(host.workspaces.get(id)?.image).toBe(first?.imageRef);
    host.vanish(id);
    await restart(id);
    expect(await settled(id)).toMatchObject({ status: "online", imageId: first?.imageId });
    off();
  });

  it("takes the image of its runtime once that was changed", async () => {
    const id = await create();
    await settled(id);
    const patched = await server.request(`/workspaces/${id}`, {
      method: "PATCH",
      body: { runtime: "claude-code" },
    });
    expect(patched.status).toBe(200);
    await restart(id);
    expect(await settled(id)).toMatchObject({ status: "online" });
    expect(host.workspaces.get(id)?.image).toContain("claude-code");
    await server.request(`/workspaces/${id}`, { method: "PATCH", body: { runtime: "langgraph" } });
    host.vanish(id);
    await restart(id);
    expect(await settled(id)).toMatchObject({ status: "online" });
    expect(host.workspaces.get(id)?.image).toContain("langgraph");
  });

  describe("cancelled before it began", () => {
    /** One operation at a time, and the first of them does not end before it is told to. */
    async function holdTheWorker(): Promise<() => void> {
      await server[Symbol.asyncDispose]();
      const env = { CONFIGS_DIR: configs, MOLECULE_OPERATION_CONCURRENCY: "1" };
      server = await startTestServer({ store, host, env });
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const off = host.before("image", () => held);
      await create({ name: "In front" });
      return () => {
        off();
        release();
      };
    }
    const cancel = async (id: string): Promise<void> => {
      const operationId = (await findWorkspaceRow(store.db, id))?.lastOperationId;
      await server.request(`/operations/${operationId}/cancel`, { method: "POST", body: {} });
    };

    it("leaves what ran online", async () => {
      const id = await create();
      await settled(id);
      const release = await holdTheWorker();
      await restart(id);
      await cancel(id);
      expect(await settled(id)).toMatchObject({ status: "online" });
      release();
    });

    it("does not make online what did not run", async () => {
      const off = host.before("ready", failing());
      const id = await create();
      expect(await settled(id)).toMatchObject({ status: "failed" });
      off();
      const release = await holdTheWorker();
      await restart(id);
      await cancel(id);
      expect(await settled(id)).toMatchObject({ status: "failed" });
      expect(await eventsOf(id, "WORKSPACE_ONLINE")).toEqual([]);
      release();
    });

    it("as the follow-up of another leaves the status to that", async () => {
      const id = await create();
      await settled(id);
      let release = (): void => undefined;
      const held = new Promise<void>((resolve) => (release = resolve));
      const begun = new Promise<void>((resolve) => {
        host.before("create", () => {
          resolve();
          return held;
        });
      });
      await restart(id);
      const first = (await findWorkspaceRow(store.db, id))?.lastOperationId;
      await begun;
      await restart(id);
      await cancel(id);
      expect(await findWorkspaceRow(store.db, id)).toMatchObject({
        status: "provisioning",
        lastOperationId: first,
      });
      release();
      expect(await settled(id)).toMatchObject({ status: "online" });
    });
  });

  it("works while the engine is away as soon as that comes back", async () => {
    const id = await create();
    await settled(id);
    host.disconnect();
    const answer = await restart(id);
    host.reconnect();
    if (answer.status === 503) await restart(id);
    expect(await settled(id)).toMatchObject({ status: "online" });
  });
});

describe("pause, resume, hibernate and removal", () => {
  it("stop the container, and start another from the same storage", async () => {
    const id = await create();
    await settled(id);
    await server.request(`/workspaces/${id}/pause`, { method: "POST", body: {} });
    expect(await settled(id)).toMatchObject({ status: "paused" });
    expect(host.workspaces.get(id)?.status).toBe("exited");
    await server.request(`/workspaces/${id}/resume`, { method: "POST", body: {} });
    expect(await settled(id)).toMatchObject({ status: "online" });
    expect(host.workspaces.get(id)).toMatchObject({ status: "running", generation: 2 });
    await server.request(`/workspaces/${id}/hibernate`, { method: "POST", body: {} });
    expect(await settled(id)).toMatchObject({ status: "hibernated" });
    expect(host.workspaces.get(id)?.status).toBe("exited");
    expect(await eventsOf(id, "WORKSPACE_HIBERNATED")).toHaveLength(1);
  });

  it("stay awake when the engine cannot stop the container", async () => {
    const id = await create();
    await settled(id);
    const off = host.before("stop", failing());
    await server.request(`/workspaces/${id}/hibernate`, { method: "POST", body: {} });
    expect(await settled(id)).toMatchObject({ status: "online" });
    off();
  });

  it("leave nothing, keep the storage when asked, and forget the row with purge", async () => {
    const [kept, purged] = [await create(), await create()];
    await Promise.all([settled(kept), settled(purged)]);
    await server.request(`/workspaces/${kept}?confirm=true&keep_volumes=true`, {
      method: "DELETE",
    });
    expect(await settled(kept)).toMatchObject({ status: "removed" });
    expect(host.workspaces.has(kept)).toBe(false);
    expect(host.storage.has(kept)).toBe(true);
    expect(await liveTokens(kept)).toEqual([]);
    await server.request(`/workspaces/${purged}?confirm=true&purge=true`, { method: "DELETE" });
    expect(await settled(purged)).toBeUndefined();
    expect(host.storage.has(purged)).toBe(false);
  });

  it("win over a provision under way: nothing of it comes back", async () => {
    const reached = new Promise<void>((resolve) => {
      host.before("ready", () => {
        resolve();
        return new Promise<void>(() => undefined);
      });
    });
    const id = await create();
    await reached;
    await server.request(`/workspaces/${id}?confirm=true`, { method: "DELETE" });
    expect(await settled(id)).toMatchObject({ status: "removed" });
    expect(host.workspaces.size).toBe(0);
    expect(host.storage.size).toBe(0);
    expect(await liveTokens(id)).toEqual([]);
  });
});

it("writes what a start came to also when the transaction that ends it is tried again", async () => {
  const id = await create();
  const row = await settled(id);
  const [provision] = await store.db
    .select()
    .from(operations)
    .where(eq(operations.workspaceId, id));
  if (provision === undefined) throw new Error("no operation");
  const runner = createOperationRunner(server.context);
  const operation = { ...provision, id: randomUUID(), kind: "restart" as const };
  await runner.run(operation, {
    signal: AbortSignal.timeout(20_000),
    onEvent: () => undefined,
  });
  const finish = (fate: () => void): Promise<void> =>
    store.db.transaction(async (tx) => {
      await runner.finish(tx, operation, { state: "succeeded" }, undefined);
      fate();
    });
  const deadlock = new Error("deadlock");
  await expect(
    finish(() => {
      throw deadlock;
    }),
  ).rejects.toBe(deadlock);
  await finish(() => undefined);
  const after = await findWorkspaceRow(store.db, id);
  expect(after?.url).toBe(host.workspaces.get(id)?.url);
  expect(after?.url).not.toBe(row?.url);
});

it("revokes the token of a start that failed, but not while a container it left may have one", async () => {
  const id = await create();
  await settled(id);
  const [provision] = await store.db
    .select()
    .from(operations)
    .where(eq(operations.workspaceId, id));
  if (provision === undefined) throw new Error("no operation");
  const runner = createOperationRunner(server.context);
  const tokensAfter = async (counts: { attempt: number; retries: number; takeovers: number }) => {
    const operation = { ...provision, ...counts, id: randomUUID(), kind: "restart" as const };
    const error = cancelledFailure("It failed.");
    await store.db.transaction(async (tx) => {
      const owner = { workspaceId: id, operationId: operation.id, createdBy: "system:worker" };
      await server.context.tokens.issue(tx, owner);
      await runner.finish(tx, operation, { state: "failed", error }, undefined);
    });
    const live = await liveTokens(id);
    return live.filter(({ operationId }) => operationId === operation.id).length;
  };
  expect(await tokensAfter({ attempt: 1, retries: 0, takeovers: 0 })).toBe(0);
  expect(await tokensAfter({ attempt: 3, retries: 2, takeovers: 0 })).toBe(0);
  expect(await tokensAfter({ attempt: 2, retries: 0, takeovers: 1 })).toBe(1);
  // It was handed back, because the engine did not answer: nor did it answer to take anything back.
  expect(await tokensAfter({ attempt: 2, retries: 0, takeovers: 0 })).toBe(1);
});

it("hands an operation back when the server stops, and the next one ends it", async () => {
  const reached = new Promise<void>((resolve) => {
    host.before("start", () => {
      resolve();
      return new Promise<void>(() => undefined);
    });
  });
  const id = await create();
  await reached;
  await server[Symbol.asyncDispose]();
  const [row] = await store.db.select().from(operations).where(eq(operations.workspaceId, id));
  expect(row).toMatchObject({ state: "queued", claimedBy: null });
  expect(host.workspaces.size).toBe(0);
  host = createMemoryHost();
  server = await startTestServer({ store, host, env: { CONFIGS_DIR: configs } });
  expect(await settled(id)).toMatchObject({ status: "online" });
});
