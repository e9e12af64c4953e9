import { LABELS } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type ContainerSummary,
} from "@molecule-ai/docker-engine";
import { createDockerBackend, type WorkspaceBackend } from "@molecule-ai/provisioner-core";
import {
  buildScratchImage,
  callEngine,
  cleanupEngine,
  findTestEngine,
  findTestPostgres,
  findTestRegistry,
  pushImage,
  startTestPostgres,
  startTestRegistry,
  uniqueName,
} from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { mkdtemp, rm } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { queryRows } from "../src/store/database.js";
import { openStore, type Store } from "../src/store/open-store.js";
import { startServerProcess, type ServerProcess } from "./support/server-process.js";

const engineFound = await findTestEngine();
const registryFound = await findTestRegistry();
const postgresFound = await findTestPostgres();
const skipped = engineFound.skip ?? registryFound.skip ?? postgresFound.skip;

const WORKSPACES = 50;
/** Requests a client has open at once. */
const IN_FLIGHT = 8;
const ADMIN_TOKEN = "fleet-admin-token-0123456789";
const POLL = { timeout: 120_000, interval: 100 };

const AGENT = `#!/bin/sh
trap 'exit 0' TERM
mkdir -p /tmp/srv
httpd -f -p 8000 -h /tmp/srv &
wait
`;

interface Fleet extends AsyncDisposable {
  readonly store: Store;
  readonly backend: WorkspaceBackend;
  /** One more process on the database and the engine of the fleet. */
  startServer(name: string): Promise<ServerProcess>;
  /** Containers of the fleet, stopped ones too. */
  containers(): Promise<readonly ContainerSummary[]>;
}

/** A registry with one image, a database, and names of its own on the engine. */
async function openFleet(): Promise<Fleet> {
  const socketPath = engineFound.socketPath ?? "";
  const installId = uniqueName("fleet");
  const undo: (() => PromiseLike<unknown>)[] = [];
  const dispose = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const root = await mkdtemp(join(tmpdir(), "molecule-fleet-"));
    undo.push(() => rm(root, { recursive: true, force: true }));
    const engine = await connectEngine({
      settings: engineSettingsFromEnv(
        { DOCKER_HOST: `unix://${socketPath}` },
        { homeDirectory: homedir(), platform: process.platform },
      ),
    });
    undo.push(() => engine[Symbol.asyncDispose]());
    const registry = await startTestRegistry();
    undo.push(() => registry[Symbol.asyncDispose]());
    const image = `molecule-test/${installId}:1`;
    const remote = `${registry.host}/team/workspace-template-langgraph:latest`;
    undo.push(async () => {
      for (const ref of [remote, image]) {
        await callEngine(socketPath, { method: "DELETE", path: `/images/${ref}?force=true` });
      }
    });
    await buildScratchImage({
      socketPath,
      ref: image,
      entrypoint: ["/agent.sh"],
      files: { "/agent.sh": { content: AGENT, mode: 0o755 } },
    });
    await pushImage(socketPath, image, remote);
    const postgres = await startTestPostgres();
    undo.push(() => postgres[Symbol.asyncDispose]());
    const databaseUrl = await postgres.createDatabase();
    const logger = pino({ level: "silent" });
    const store = await openStore({ databaseUrl, stateDirectory: undefined, logger });
    undo.push(() => store[Symbol.asyncDispose]());
    const label = `${LABELS.install}=${installId}`;
    undo.push(async () => {
      await cleanupEngine(socketPath, label);
      await callEngine(socketPath, { method: "DELETE", path: `/networks/${installId}` });
    });
    return {
      store,
      backend: createDockerBackend({ engine, installId }),
      async startServer(name) {
        const server = await startServerProcess({
          PORT: "0",
          ADMIN_TOKEN,
          DATABASE_URL: databaseUrl,
          DOCKER_HOST: `unix://${socketPath}`,
          SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64"),
          MOLECULE_STATE_DIR: join(root, name),
          MOLECULE_ADVERTISE_URL: `http://${name}.invalid`,
          MOLECULE_INSTALL_ID: installId,
          MOLECULE_NETWORK: installId,
          MOLECULE_IMAGE_REGISTRY: `${registry.host}/team`,
          MOLECULE_STOP_GRACE_SECONDS: "1",
          RATE_LIMIT: "1000000",
        });
        undo.push(() => server.kill());
        return server;
      },
      containers: () => engine.containers.list({ labels: [label], all: true }),
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

async function ask(
  { url }: ServerProcess,
  method: string,
  path: string,
  options: { readonly body?: object; readonly token?: string } = {},
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const { body, token = ADMIN_TOKEN } = options;
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
}

/** Does all of it, a few at once, as a client would. */
async function inTurns<T>(
  items: readonly T[],
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  const left = items.map((item, at) => ({ item, at }));
  const run = async (): Promise<void> => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) {
      await work(next.item, next.at);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, run));
}

describe.skipIf(skipped !== undefined)(
  `two servers on one PostgreSQL and one engine${skipped === undefined ? "" : `: ${skipped}`}`,
  () => {
    it(
      "share fifty workspaces, none lost or doubled, while one of them is killed",
      { timeout: 600_000 },
      async () => {
        await using fleet = await openFleet();
        const { db } = fleet.store;
        const countRows = async (query: ReturnType<typeof sql>): Promise<number> => {
          const [row] = await queryRows<{ n: number }>(db, query);
          return row?.n ?? 0;
        };
        const [first, second] = await Promise.all([
          fleet.startServer("first"),
          fleet.startServer("second"),
        ]);
        const ids: string[] = [];
        await inTurns(Array.from({ length: WORKSPACES }), async (_, at) => {
          const created = await ask(at % 2 === 0 ? first : second, "POST", "/workspaces", {
            body: { name: `Agent ${at}`, runtime: "langgraph" },
          });
          expect(created.status, JSON.stringify(created.body)).toBe(201);
          ids.push(created.body["id"] as string);
        });

        // In the middle: some are up, and the one that is killed has others under way.
        const findBusiest = async (): Promise<string> => {
          const [row] = await queryRows<{
            done: number;
            errors: string | null;
            url: string | null;
          }>(
            db,
            sql`select (select count(*)::int from operations where state = 'succeeded') as done,
                  (select string_agg(distinct error_message, '; ') from operations) as errors,
                  (select s.url from operations o join server_instances s on s.id = o.claimed_by
                    where o.state = 'running' group by s.url order by count(*) desc limit 1) as url`,
          );
          if (row === undefined || row.done < 10 || row.url === null) {
            const log = [first, second].map((server) => server.output().slice(-2000)).join("\n");
            return `${row?.done} done, errors: ${row?.errors}\n${log}`;
          }
          return row.url;
        };
        let busiest = "";
        await expect
          .poll(async () => (busiest = await findBusiest()), { ...POLL, interval: 5 })
          .toMatch(/^http:/);
        const [victim, survivor] = busiest.includes("first") ? [first, second] : [second, first];
        await victim.kill();

        const unfinished = sql`select count(*)::int as n from operations
          where state in ('waiting', 'queued', 'running')`;
        await expect.poll(() => countRows(unfinished), POLL).toBe(0);

        const rows = await queryRows<{ id: string; status: string; error: string | null }>(
          db,
          sql`select id, status, last_sample_error as error from workspaces`,
        );
        expect(rows.map(({ id }) => id).sort()).toEqual([...ids].sort());
        expect(
          rows.filter(({ status }) => status !== "online"),
          survivor.output(),
        ).toEqual([]);
        const ends = await queryRows<{ state: string; n: number }>(
          db,
          sql`select state, count(*)::int as n from operations group by state`,
        );
        expect(ends).toEqual([{ state: "succeeded", n: WORKSPACES }]);
        // What the dead one had begun was begun again.
        const takenOver = sql`select count(*)::int as n from operations where takeovers > 0`;
        expect(await countRows(takenOver)).toBeGreaterThan(0);
        const online = await queryRows<{ id: string; n: number }>(
          db,
          sql`select workspace_id as id, count(*)::int as n from structure_events
              where event_type = 'WORKSPACE_ONLINE' group by workspace_id`,
        );
        expect(online.map(({ id }) => id).sort()).toEqual([...ids].sort());
        expect(online.filter(({ n }) => n !== 1)).toEqual([]);

        const containers = await fleet.containers();
        const wanted = [...ids].sort().map((id) => `${id} running`);
        const seen = containers.map(
          ({ labels, status }) => `${labels[LABELS.workspace]} ${status}`,
        );
        expect(seen.sort()).toEqual(wanted);
        // Every agent has a token that is taken, also of those that were begun twice.
        await inTurns(ids, async (id) => {
          const token = await fleet.backend.files.read(id, "/configs/.auth_token");
          const beat = await ask(survivor, "POST", "/registry/heartbeat", {
            body: { workspace_id: id },
            token: token?.toString("utf8").trim() ?? "",
          });
          expect(beat.status).toBe(200);
        });

        await inTurns(ids, async (id) => {
          const removed = await ask(survivor, "DELETE", `/workspaces/${id}`);
          expect(removed.status, JSON.stringify(removed.body)).toBe(200);
        });
        const left = (await fleet.backend.listOwned()).filter(({ kind }) => kind !== "network");
        expect(left).toEqual([]);
        expect(await countRows(unfinished)).toBe(0);
        expect(await survivor.stop()).toBe(0);
      },
    );
  },
);
