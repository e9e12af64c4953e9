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
import { rm } from "node:fs/promises";
import { homedir } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { queryRows } from "../src/store/database.js";
import { openStore, type Store } from "../src/store/open-store.js";
import { buildServer, type BuiltServer } from "./support/build-server.js";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";
import { makeStateDirectory } from "./support/state-directory.js";

const engineFound = await findTestEngine();
const registryFound = await findTestRegistry();
const postgresFound = await findTestPostgres();
const skipped = engineFound.skip ?? registryFound.skip;

const ADMIN_TOKEN = "converge-admin-token-0123456789";
const SETTLE_MS = 90_000;
const logger = pino({ level: "silent" });

const AGENT = `#!/bin/sh
mkdir -p /tmp/srv && cp /configs/.auth_token /tmp/token
trap 'exit 0' TERM
httpd -f -p 8000 -h /tmp/srv &
wait
`;

const KINDS = ["provision", "restart", "pause", "resume", "hibernate", "remove"] as const;
type Kind = (typeof KINDS)[number];

/** Asked in the background: the answer comes when the operation is over, and here it never is. */
const ANSWERED_AT_THE_END: readonly Kind[] = ["pause", "hibernate", "remove"];

/** Where the kill finds a step: the engine was not asked yet, or has done it and was not heard. */
const SIDES = { before: "hang", after: "hold-answer" } as const;
type Side = keyof typeof SIDES;

/** Of few steps. */
const SHORT: readonly Kind[] = ["pause", "hibernate", "remove"];

/** The status after each, and the container; undefined: there is none. */
const OUTCOMES: Readonly<Record<Kind, readonly [status: string, container: string | undefined]>> = {
  provision: ["online", "running"],
  restart: ["online", "running"],
  pause: ["paused", "exited"],
  resume: ["online", "running"],
  hibernate: ["hibernated", "exited"],
  remove: ["removed", undefined],
};

/** What the engine was asked to change, in order: the steps of an operation. */
interface Step {
  readonly method: string;
  /** With identifiers that are others each time left open. */
  readonly path: RegExp;
  /** How many of the same method and path came before it. */
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
  /** Nothing may be on it. */
  removeNetwork(): Promise<void>;
  /** Containers and volumes of the installation. */
  leftovers(): Promise<string[]>;
  /** The row, the containers and the storage are as the kind of operation has them. */
  expectAsAsked(kind: Kind, id: string, at: string): Promise<void>;
}

/** What matches `path` also with other containers, whose names and ids are in it. */
function shapeOf(path: string): RegExp {
  const route = path.replace(/^\/v[\d.]+/, "").replace(/\?.*/s, "");
  return new RegExp(`${route.replace(/[\da-f]{64}|ws-[\da-f-]+/g, "[^/]+")}(\\?|$)`);
}

describe.skipIf(skipped !== undefined)("whatever is killed, the end is what was asked for", () => {
  let engine: DockerEngine;
  let registry: TestRegistry;
  let postgres: TestPostgres | undefined;
  const socketPath = engineFound.socketPath ?? "";
  const label = uniqueName("converge");
  let prefix = "";
  let built: BuiltServer;
  beforeAll(async () => {
    built = await buildServer();
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
    await built[Symbol.asyncDispose]();
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
    const stateDirectory = await makeStateDirectory();
    const databaseUrl = home === "postgres" ? await postgres?.createDatabase() : undefined;
    const proxy = await startFaultProxy({ socketPath });
    const backend: WorkspaceBackend = createDockerBackend({ engine, installId });
    let server: ServerProcess | undefined;
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
        const env = {
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
        };
        server = await startServerProcess(env, built.program);
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
        const count = async (): Promise<number> =>
          (await operationsOf(id ?? "")).filter((row) => row.kind === kind).length;
        const isAnsweredLate = ANSWERED_AT_THE_END.includes(kind);
        const known = isAnsweredLate ? await count() : 0;
        const answer = {
          provision: () => post("/workspaces", { name: "Agent", runtime: "langgraph" }),
          restart: () => post(`/workspaces/${id}/restart`, {}),
          pause: () => post(`/workspaces/${id}/pause`, {}),
          resume: () => post(`/workspaces/${id}/resume`, {}),
          hibernate: () => post(`/workspaces/${id}/hibernate`, {}),
          remove: () => request(`/workspaces/${id}?confirm=true`, { method: "DELETE" }),
        }[kind]();
        if (isAnsweredLate) {
          answer.catch(() => undefined);
          // Asked for once its operation is there.
          await vi.waitUntil(async () => (await count()) > known, { timeout: SETTLE_MS });
          return id ?? "";
        }
        const response = await answer;
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
      async removeNetwork() {
        await callEngine(socketPath, { method: "DELETE", path: `/networks/${installId}` });
      },
      async leftovers() {
        return (await backend.listOwned())
          .filter(({ kind }) => kind !== "network")
          .map(({ name }) => name);
      },
      async expectAsAsked(kind, id, at) {
        const [status, container] = OUTCOMES[kind];
        const response = await request(`/workspaces/${id}`);
        const row = (await response.json()) as { status?: string };
        const containers = await engine.containers.list({ labels: labels(id), all: true });
        const volumes = await engine.volumes.list({ labels: labels(id) });
        const seen = {
          status: status === "removed" && !response.ok ? "removed" : row.status,
          containers: containers.map(({ name, status: is }) => `${name} ${is}`),
          volumes: volumes.length > 0,
        };
        const wanted = {
          status,
          containers: container === undefined ? [] : [`${containerName(id)} ${container}`],
          volumes: status !== "removed",
        };
        expect(seen, `${kind}, killed at ${at}: ${server?.output().slice(-3000)}`).toEqual(wanted);
        if (status !== "online") return;
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
    const steps: Step[] = [];
    for (const { method, path } of world.proxy.requests.slice(from)) {
      if (method === "GET" || method === "HEAD") continue;
      const shape = shapeOf(path);
      const isSame = (step: Step): boolean =>
        step.method === method && step.path.source === shape.source;
      steps.push({ method, path: shape, nth: steps.filter(isSame).length });
    }
    return { id: asked, steps };
  };

  /**
   * Asks for an operation and resolves when it has come to `step`, which then never ends: the engine
   * has not been asked, or has done it and the answer does not come.
   */
  const askUntil = async (
    world: World,
    kind: Kind,
    id: string | undefined,
    step: Step,
    side: Side = "before",
  ) => {
    const from = world.proxy.requests.length;
    const fault = SIDES[side];
    const { method, path, nth } = step;
    world.proxy.add({ method, path, skip: nth, times: 1, fault: { kind: fault } });
    const asked = await world.ask(kind, id);
    const hasStruck = (): boolean =>
      world.proxy.requests
        .slice(from)
        .some((one) => one.fault === fault && one.isAnswered === (side === "after"));
    await vi.waitUntil(hasStruck, { timeout: 30_000, interval: 10 });
    return asked;
  };

  /** A workspace that `kind` can be asked of: none yet, a paused one, or one that runs. */
  const bring = async (world: World, kind: Kind, id: string | undefined) => {
    if (kind === "provision") return undefined;
    const known = id !== undefined && (await world.status(id)) !== "removed" ? id : undefined;
    const subject = known ?? (await record(world, "provision", undefined)).id;
    const status = await world.status(subject);
    if (kind === "resume" && status !== "paused") await record(world, "pause", subject);
    if (kind !== "resume" && status === "paused") await record(world, "resume", subject);
    if (status === "hibernated") await record(world, "restart", subject);
    return subject;
  };

  const killAtSteps = async (
    world: World,
    kind: Kind,
    sidesAt: (index: number) => readonly Side[],
  ): Promise<void> => {
    await world.start();
    const first = await bring(world, kind, undefined);
    const recorded = await record(world, kind, first);
    const all = new Set([recorded.id]);
    let subject: string | undefined = recorded.id;
    expect(recorded.steps.length).toBeGreaterThan(0);
    for (const [index, step] of recorded.steps.entries()) {
      for (const side of sidesAt(index)) {
        const at = `${side} step ${index + 1} of ${recorded.steps.length}: ${step.method} ${step.path.source}`;
        // Made once for all workspaces: it must be missing to be made again.
        if (step.path.test("/networks/create")) {
          await removeAll(world, all);
          await world.removeNetwork();
        }
        subject = await bring(world, kind, subject);
        const asked = await askUntil(world, kind, subject, step, side);
        await world.kill();
        world.proxy.clear();
        await world.start();
        await world.settled(asked);
        await world.expectAsAsked(kind, asked, at);
        subject = asked;
        all.add(asked);
      }
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

  it.each(KINDS)(
    "kill -9 of the server before or after every step of a %s",
    async (kind) => {
      await using world = await openWorld("embedded");
      await killAtSteps(world, kind, (index) => {
        if (SHORT.includes(kind)) return ["before", "after"];
        return [index % 2 === 0 ? "before" : "after"];
      });
      await expectNothingLeft(world);
    },
    600_000,
  );

  it.skipIf(postgresFound.skip !== undefined).each(KINDS)(
    "kill -9 of the server before or after steps of a %s, on a PostgreSQL",
    async (kind) => {
      await using world = await openWorld("postgres");
      // The other side of it than on the embedded database.
      await killAtSteps(world, kind, (index) => {
        if (index % 3 !== 0) return [];
        return [index % 2 === 0 ? "after" : "before"];
      });
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
      for (const kind of ["restart", "pause", "resume", "hibernate", "remove"] as const) {
        subject = await bring(world, kind, subject);
        await askUntil(world, kind, subject, { method: "POST", path: /./, nth: 0 });
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
