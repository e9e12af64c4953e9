import { startTestPostgres } from "@molecule-ai/testkit";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { Agent, request } from "undici";

export type Database = "pglite" | "postgres";

/** What the benchmarks read of an answer. */
export interface ServerAnswer {
  readonly status: number;
  readonly body: {
    readonly id?: string;
    readonly auth_token?: string;
    readonly length?: number;
  };
}

/** A server process of its own, built, with an empty store; disposing it removes everything. */
export interface ServerProcess extends AsyncDisposable {
  readonly database: Database;
  readonly url: string;
  readonly pid: number;
  /** Time from the start of the process until `/ready` or, without an engine, `/health` answered. */
  readonly bootMs: number;
  /**
   * JSON in, JSON out, as the administrator or with another token; with `text` only the length of
   * the answer, unparsed. `requestId` is found again in the events of the request.
   */
  call(
    method: "GET" | "POST" | "DELETE" | "PATCH" | "PUT",
    path: string,
    options?: {
      readonly body?: unknown;
      readonly token?: string;
      readonly text?: boolean;
      readonly requestId?: string;
    },
  ): Promise<ServerAnswer>;
  /** Ends the process and starts it again on the same store. */
  restart(): Promise<void>;
  /** Seconds of one core that the process has used. */
  cpuSeconds(): Promise<number>;
  /** Resident memory, bytes. */
  residentBytes(): Promise<number>;
  /** URL of the PostgreSQL, when there is one. */
  readonly databaseUrl: string | undefined;
}

/** Another build, to compare it with. */
const PROGRAM =
  process.env["BENCH_SERVER"] ??
  fileURLToPath(new URL("../../../apps/server/dist/bin.js", import.meta.url));
/** For example `--cpu-prof`. */
const NODE_ARGUMENTS = process.env["BENCH_NODE_ARGUMENTS"]?.split(" ") ?? [];
export const ADMIN_TOKEN = "bench-admin-token-0123456789";
/** Linux counts processor time in these. */
const TICKS_PER_SECOND = 100;

export interface ServerProcessOptions {
  readonly database: Database;
  /** Without it the server finds no engine, so that only the server itself is measured. */
  readonly withEngine?: boolean | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
}

export async function startServerProcess(options: ServerProcessOptions): Promise<ServerProcess> {
  if (!existsSync(PROGRAM)) throw new Error("The server is not built: run `pnpm build` first.");
  const { database } = options;
  const directory = await mkdtemp(join(tmpdir(), "molecule-load-"));
  const postgres = database === "postgres" ? await startTestPostgres() : undefined;
  const databaseUrl = await postgres?.createDatabase();
  const agent = new Agent({ connections: 256, pipelining: 1 });
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const env = {
    PATH: process.env["PATH"] ?? "",
    HOME: directory,
    PORT: String(port),
    LOG_LEVEL: "warn",
    ADMIN_TOKEN,
    SECRETS_ENCRYPTION_KEY: "0".repeat(64),
    RATE_LIMIT: "1000000",
    MOLECULE_STATE_DIR: join(directory, "state"),
    ...(databaseUrl === undefined ? {} : { DATABASE_URL: databaseUrl }),
    ...(options.withEngine === true ? {} : { DOCKER_HOST: `unix://${directory}/no-engine.sock` }),
    ...options.env,
  };
  let bootMs = 0;
  const boot = async (): Promise<ChildProcess> => {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...NODE_ARGUMENTS, PROGRAM], {
      env,
      stdio: ["ignore", "ignore", "inherit"],
    });
    for (;;) {
      try {
        const answer = await request(`${url}/health`, { dispatcher: agent });
        await answer.body.dump();
        if (answer.statusCode === 200) break;
      } catch {
        if (child.exitCode !== null) throw new Error("The server ended while it started.");
      }
      await sleep(10);
    }
    bootMs = performance.now() - startedAt;
    return child;
  };
  let child = await boot();
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    const ended = once(child, "exit");
    child.kill("SIGTERM");
    await ended;
  };
  return {
    database,
    url,
    databaseUrl,
    get pid() {
      return child.pid ?? 0;
    },
    get bootMs() {
      return bootMs;
    },
    async call(method, path, { body, token = ADMIN_TOKEN, text = false, requestId } = {}) {
      const answer = await request(url + path, {
        method,
        dispatcher: agent,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...(requestId === undefined ? {} : { "x-request-id": requestId }),
        },
        body: body === undefined ? null : JSON.stringify(body),
      });
      return {
        status: answer.statusCode,
        body: text
          ? { length: (await answer.body.text()).length }
          : ((await answer.body.json()) as ServerAnswer["body"]),
      };
    },
    async restart() {
      await stop();
      child = await boot();
    },
    async cpuSeconds() {
      const stat = await readFile(`/proc/${child.pid ?? 0}/stat`, "utf8");
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    },
    async residentBytes() {
      const status = await readFile(`/proc/${child.pid ?? 0}/status`, "utf8");
      return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) * 1024;
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await agent.destroy();
      await postgres?.[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
