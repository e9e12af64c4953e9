import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import {
  containerName,
  createDockerBackend,
  type WorkspaceBackend,
} from "@molecule-ai/provisioner-core";
import {
  buildScratchImage,
  busyboxImage,
  callEngine,
  cleanupEngine,
  findTestEngine,
  findTestPostgres,
  findTestRegistry,
  pushImage,
  startFaultProxy,
  startTestPostgres,
  startTestRegistry,
  uniqueName,
  type FaultProxy,
  type TestPostgres,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { queryRows } from "../src/store/database.js";
import { openStore, type Store } from "../src/store/open-store.js";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";

const engineFound = await findTestEngine();
const registryFound = await findTestRegistry();
const postgresFound = await findTestPostgres();
const skipped = engineFound.skip ?? registryFound.skip;

const ADMIN_TOKEN = "converge-admin-token-0123456789";
const SETTLE_MS = 90_000;

const AGENT = `#!/bin/sh
mkdir -p /tmp/srv && cp /configs/.auth_token /tmp/token
trap 'exit 0' TERM
httpd -f -p 8000 -h /tmp/srv &
wait
`;

type Kind = "provision" | "restart" | "pause" | "resume" | "remove";

/** What the engine was asked to change, in order: the steps of an operation. */
interface Step {
  readonly method: string;
  readonly path: string;
  /** How many of the same method came before it. */
  readonly nth: number;
}

interface Operation {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly error: unknown;
}

/** A server, what it works with, and what a test asks of it. */
interface World extends AsyncDisposable {
  readonly proxy: FaultProxy;
  start(): Promise<void>;
  kill(): Promise<void>;
  /** Ends properly; what is in the store then. */
  stop(): Promise<{ exitCode: number | null; store: Store }>;
  ask(kind: Kind, id: string | undefined): Promise<string>;
  /** Resolves once nothing of it is unfinished any more. */
  settled(id: string): Promise<void>;
  status(id: string): Promise<string | undefined>;
  /** Containers and volumes of the installation. */
  leftovers(): Promise<string[]>;
  /** The row, the containers and the storage are as the kind of operation has them. */
  expectAsAsked(kind: Kind, id: string, at: string): Promise<void>;
}

describe.skipIf(skipped !== undefined)("whatever is killed, the end is what was asked for", () => {
  let engine: DockerEngine;
  let registry: TestRegistry;
  let postgres: TestPostgres | undefined;
  const socketPath = engineFound.socketPath ?? "";
  const label = uniqueName("converge");
  let prefix = "";

  beforeAll(async () => {
    await busyboxImage(socketPath);
    engine = await connectEngine({
      settings: engineSettingsFromEnv(
        { DOCKER_HOST: `unix://${socketPath}` },
        { homeDirectory: homedir(), platform: process.platform },
      ),
    });
    registry = await startTestRegistry();
    prefix = `${registry.host}/team`;
    const ref = `molecule-test/${label}:1`;
    await buildScratchImage({
      socketPath,
      ref,
      entrypoint: ["/agent.sh"],
      labels: { "molecule.test.install": label },
      files: { "/agent.sh": { content: AGENT, mode: 0o755 } },
    });
    await pushImage(socketPath, ref, `${prefix}/workspace-template-langgraph:latest`);
    if (postgresFound.skip === undefined) postgres = await startTestPostgres();
  });
  afterAll(async () => {
    await postgres?.[Symbol.asyncDispose]();
    for (const { id, tags } of await engine.images.list({ reference: `${prefix}/*` })) {
      for (const tag of tags) if (tag.startsWith(prefix)) await engine.images.remove(tag);
      void id;
    }
    await cleanupEngine(socketPath, `molecule.test.install=${label}`);
    await registry[Symbol.asyncDispose]();
    await engine[Symbol.asyncDispose]();
  });

  const openWorld = async (home: "embedded" | "postgres"): Promise<World> => {
    const installId = uniqueName("c");
    const stateDirectory = await mkdtemp(join(tmpdir(), "converge-"));
    const databaseUrl = home === "postgres" ? await postgres?.createDatabase() : undefined;
    const proxy = await startFaultProxy({ socketPath });
    const backend: WorkspaceBackend = createDockerBackend({ engine, installId });
    let server: ServerProcess | undefined;
    const logger = pino({ level: "silent" });
    const openOwnStore = (): Promise<Store> => openStore({ databaseUrl, stateDirectory, logger });
    const request = async (path: string, init: RequestInit = {}): Promise<Response> =>
      fetch(`${server?.url}${path}`, {
        ...init,
        headers: {
          authorization: `Bearer ${ADMIN_TOKEN}`,
          ...(init.body === undefined ? {} : { "content-type": "application/json" }),
          ...init.headers,
        },
      });
    const operationsOf = async (id: string): Promise<Operation[]> => {
      const response = await request(`/workspaces/${id}/operations`);
      if (!response.ok) throw new Error(`operations: ${response.status} ${await response.text()}`);
      const body = (await response.json()) as Operation[] | { operations: Operation[] };
      return Array.isArray(body) ? body : body.operations;
    };
    const labels = (id: string): string[] => [
      `molecule.platform.install=${installId}`,
      `molecule.platform.workspace=${id}`,
    ];

    return {
      proxy,
      async start() {
        server = await startServerProcess({
          DOCKER_HOST: proxy.dockerHost,
          PORT: "0",
          ADMIN_TOKEN,
          SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64"),
          MOLECULE_STATE_DIR: stateDirectory,
          MOLECULE_INSTALL_ID: installId,
          MOLECULE_NETWORK: installId,
          MOLECULE_IMAGE_REGISTRY: prefix,
          MOLECULE_STOP_GRACE_SECONDS: "1",
          RATE_LIMIT: "100000",
          ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
        });
      },
      async kill() {
        await server?.kill();
        if (databaseUrl === undefined) return;
        // As if the leases of the dead had run out by now.
        await using store = await openOwnStore();
        await store.db.execute(
          sql`update operations set lease_expires_at = now() where state = 'running'`,
        );
      },
      async stop() {
        const exitCode = (await server?.stop()) ?? null;
        return { exitCode, store: await openOwnStore() };
      },
      async ask(kind, id) {
        const post = (path: string, body: unknown): Promise<Response> =>
          request(path, { method: "POST", body: JSON.stringify(body) });
        // A removal and a pause are answered when they are done; here they never are.
        const signal = AbortSignal.timeout(SETTLE_MS);
        const count = async (): Promise<number> =>
          (await operationsOf(id ?? "")).filter((row) => row.kind === kind).length;
        const known = kind === "pause" || kind === "remove" ? await count() : 0;
        let response: Response | undefined;
        switch (kind) {
          case "provision":
            response = await post("/workspaces", { name: "Agent", runtime: "langgraph" });
            break;
          case "restart":
            response = await post(`/workspaces/${id}/restart`, {});
            break;
          case "resume":
            response = await post(`/workspaces/${id}/resume`, {});
            break;
          case "pause":
            void request(`/workspaces/${id}/pause`, { method: "POST", body: "{}", signal }).catch(
              () => undefined,
            );
            break;
          case "remove":
            void request(`/workspaces/${id}?confirm=true`, { method: "DELETE", signal }).catch(
              () => undefined,
            );
            break;
          default:
            kind satisfies never;
        }
        if (response === undefined) {
          // Asked for once its operation is there.
          for (const until = Date.now() + SETTLE_MS; Date.now() < until;) {
            if ((await count().catch(() => known)) > known) break;
            await sleep(20);
          }
          return id ?? "";
        }
        const text = await response.text();
        if (!response.ok) throw new Error(`${kind}: ${response.status} ${text}`);
        return id ?? (JSON.parse(text) as { id: string }).id;
      },
      async settled(id) {
        const until = Date.now() + SETTLE_MS;
        for (;;) {
          const rows = await operationsOf(id);
          if (rows.every(({ state }) => ["succeeded", "failed", "cancelled"].includes(state)))
            return;
          if (Date.now() > until) {
            throw new Error(
              `not settled: ${JSON.stringify(rows)}\n${server?.output().slice(-6000)}`,
            );
          }
          await sleep(50);
        }
      },
      async status(id) {
        const response = await request(`/workspaces/${id}`);
        if (response.status === 404 || response.status === 410) return "removed";
        return ((await response.json()) as { status?: string }).status;
      },
      async leftovers() {
        return (await backend.listOwned())
          .filter(({ kind }) => kind !== "network")
          .map(({ name }) => name);
      },
      async expectAsAsked(kind, id, at) {
        const isGone = kind === "remove";
        const response = await request(`/workspaces/${id}`);
        const row = (await response.json()) as { status?: string };
        const containers = await engine.containers.list({ labels: labels(id), all: true });
        const volumes = await engine.volumes.list({ labels: labels(id) });
        const seen = {
          status: isGone && !response.ok ? "removed" : row.status,
          containers: containers.map(({ name, status }) => `${name} ${status}`),
          volumes: volumes.length > 0,
        };
        const name = containerName(id);
        const wanted = {
          status: {
            provision: "online",
            restart: "online",
            resume: "online",
            pause: "paused",
            remove: "removed",
          }[kind],
          containers: isGone ? [] : [`${name} ${kind === "pause" ? "exited" : "running"}`],
          volumes: !isGone,
        };
        expect(seen, `${kind}, killed at ${at}: ${server?.output().slice(-3000)}`).toEqual(wanted);
        if (kind === "pause" || isGone) return;
        // The agent that runs is not locked out.
        const token = await backend.files.read(id, "/configs/.auth_token");
        const beat = await request("/registry/heartbeat", {
          method: "POST",
          headers: { authorization: `Bearer ${token?.toString("utf8")}` },
          body: JSON.stringify({ workspace_id: id }),
        });
        expect(beat.status, `heartbeat after ${kind}, killed at ${at}`).toBe(200);
      },
      async [Symbol.asyncDispose]() {
        await server?.kill();
        await proxy[Symbol.asyncDispose]();
        await cleanupEngine(socketPath, `molecule.platform.install=${installId}`);
        await callEngine(socketPath, { method: "DELETE", path: `/networks/${installId}` });
        await rm(stateDirectory, { recursive: true, force: true });
      },
    };
  };

  /** One undisturbed operation, and what it asked the engine to change. */
  const record = async (world: World, kind: Kind, id: string | undefined) => {
    const from = world.proxy.requests.length;
    const asked = await world.ask(kind, id);
    await world.settled(asked);
    await world.expectAsAsked(kind, asked, "nothing");
    const counts = new Map<string, number>();
    const steps: Step[] = [];
    for (const { method, path } of world.proxy.requests.slice(from)) {
      if (method === "GET" || method === "HEAD") continue;
      const nth = counts.get(method) ?? 0;
      counts.set(method, nth + 1);
      steps.push({ method, path, nth });
    }
    return { id: asked, steps };
  };

  /** Asks for an operation and resolves when it has come to `step`, which then never ends. */
  const askUntil = async (world: World, kind: Kind, id: string | undefined, step: Step) => {
    const from = world.proxy.requests.length;
    world.proxy.add({
      method: step.method,
      path: /./,
      skip: step.nth,
      times: 1,
      fault: { kind: "hang" },
    });
    const asked = await world.ask(kind, id);
    for (const until = Date.now() + 20_000; Date.now() < until; await sleep(10)) {
      if (world.proxy.requests.slice(from).some(({ fault }) => fault === "hang")) break;
    }
    return asked;
  };

  /** A workspace that `kind` can be asked of: none yet, a paused one, or one that runs. */
  const bring = async (world: World, kind: Kind, id: string | undefined) => {
    if (kind === "provision") return undefined;
    const known = id !== undefined && (await world.status(id)) !== "removed" ? id : undefined;
    const subject = known ?? (await record(world, "provision", undefined)).id;
    const isPaused = (await world.status(subject)) === "paused";
    if (kind === "resume" && !isPaused) await record(world, "pause", subject);
    if (kind !== "resume" && isPaused) await record(world, "resume", subject);
    return subject;
  };

  const killAtSteps = async (world: World, kind: Kind, every: number): Promise<void> => {
    await world.start();
    const first = await bring(world, kind, undefined);
    const recorded = await record(world, kind, first);
    const all = new Set([recorded.id]);
    let subject: string | undefined = recorded.id;
    expect(recorded.steps.length).toBeGreaterThan(0);
    for (const [index, step] of recorded.steps.entries()) {
      if (index % every !== 0) continue;
      const at = `step ${index + 1} of ${recorded.steps.length}: ${step.method} ${step.path}`;
      subject = await bring(world, kind, subject);
      const asked = await askUntil(world, kind, subject, step);
      await world.kill();
      world.proxy.clear();
      await world.start();
      await world.settled(asked);
      await world.expectAsAsked(kind, asked, at);
      subject = asked;
      all.add(asked);
    }
    await removeAll(world, all);
  };

  const removeAll = async (world: World, ids: Iterable<string>): Promise<void> => {
    for (const id of ids) {
      if ((await world.status(id)) !== "removed") await record(world, "remove", id);
    }
  };

  /** Nothing is unfinished in the store, and nothing but the network is on the engine. */
  const expectNothingLeft = async (world: World): Promise<void> => {
    const { exitCode, store } = await world.stop();
    await using _ = store;
    expect(exitCode).toBe(0);
    const [row] = await queryRows<{ operations: number; builds: number; live: number }>(
      store.db,
      sql`select
        (select count(*)::int from operations where state in ('waiting', 'queued', 'running')) as operations,
        (select count(*)::int from builds where state = 'running') as builds,
        (select count(*)::int from auth_tokens where workspace_id is not null and revoked_at is null) as live`,
    );
    expect(row).toEqual({ operations: 0, builds: 0, live: 0 });
    expect(await world.leftovers()).toEqual([]);
  };

  const kinds: readonly Kind[] = ["provision", "restart", "pause", "resume", "remove"];

  it.each(kinds)(
    "kill -9 of the server at every step of a %s",
    async (kind) => {
      await using world = await openWorld("embedded");
      await killAtSteps(world, kind, 1);
      await expectNothingLeft(world);
    },
    600_000,
  );

  it.skipIf(postgresFound.skip !== undefined).each(kinds)(
    "kill -9 of the server at steps of a %s, on a PostgreSQL",
    async (kind) => {
      await using world = await openWorld("postgres");
      await killAtSteps(world, kind, 3);
      await expectNothingLeft(world);
    },
    600_000,
  );

  it.each([
    ["alone", false],
    ["together with the server", true],
  ] as const)(
    "an engine that goes away in the middle of each operation, %s",
    async (_, isKilled) => {
      await using world = await openWorld("embedded");
      await world.start();
      let subject: string | undefined;
      for (const kind of ["restart", "pause", "resume", "remove"] as const) {
        subject = await bring(world, kind, subject);
        await askUntil(world, kind, subject, { method: "POST", path: "", nth: 0 });
        // First, so that whatever hangs is broken off and nothing else gets through.
        world.proxy.clear();
        world.proxy.add({ path: /./, fault: { kind: "drop-request" } });
        if (isKilled) {
          await world.kill();
          await world.start();
        } else world.proxy.breakConnections();
        await sleep(1000);
        world.proxy.clear();
        await world.settled(subject ?? "");
        await world.expectAsAsked(kind, subject ?? "", "an outage");
      }
      await expectNothingLeft(world);
    },
    600_000,
  );
});
