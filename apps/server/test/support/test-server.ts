import { randomUUID } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { serverConfigFromEnv } from "../../src/config.js";
import { LOOPS, type LoopName } from "../../src/loops/cadence.js";
import { createLease } from "../../src/loops/lease.js";
import { rowNameOf } from "../../src/loops/supervise.js";
import { serve } from "../../src/serve.js";
import type { ServerContext } from "../../src/server-context.js";
import type { Store } from "../../src/store/open-store.js";
import { createMemoryHost, type MemoryHost } from "./memory-host.js";
import { openMemoryStore } from "./memory-store.js";

export interface TestServerOptions {
  /** Laid over the settings of the test server. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Shared with the test or with another server; it stays the caller's to dispose. */
  readonly store?: Store | undefined;
  readonly host?: MemoryHost | undefined;
  /**
   * Who leads the background loops; default: this server. With "elsewhere" none runs here, as when
   * another process leads them all: for tests whose rows stand for workspaces that no host has.
   */
  readonly loops?: "here" | "elsewhere" | undefined;
}

export interface TestRequest {
  readonly method?: string | undefined;
  /** The administrator's when absent; null for none. */
  readonly token?: string | null | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Sent as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export interface TestAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text when it is none. */
  readonly body: unknown;
}

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly adminToken: string;
  readonly context: ServerContext;
  readonly host: MemoryHost;
  /** One request with a JSON answer. */
  request(path: string, request?: TestRequest): Promise<TestAnswer>;
  /** As `request`, with the response as it is, for streams. */
  fetch(path: string, request?: TestRequest): Promise<Response>;
}

export const ADMIN_TOKEN = "test-admin-token-0123456789abcdef";

/** A whole server on a port of its own, its store and its host in memory. */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  const stateDirectory = await mkdtemp(join(tmpdir(), "molecule-server-"));
  const host = options.host ?? createMemoryHost();
  const config = serverConfigFromEnv({
    PORT: "0",
    LOG_LEVEL: "silent",
    MOLECULE_STATE_DIR: stateDirectory,
    SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64"),
    ADMIN_TOKEN,
    MOLECULE_INSTALL_ID: host.host.settings.installId,
    SHUTDOWN_GRACE_SECONDS: "2",
    RATE_LIMIT: "1000000",
    ...options.env,
  });
  const logger = pino({ level: "silent" });
  let store = options.store;
  let ownStore: Store | undefined;
  const cleanUp = async (): Promise<void> => {
    await ownStore?.[Symbol.asyncDispose]();
    await rm(stateDirectory, { recursive: true, force: true });
  };
  try {
    store ??= ownStore = await openMemoryStore();
    if (options.loops === "elsewhere") await leadElsewhere(store, host.host.id);
    const server = await serve(config, { store, host, logger });
    const send: TestServer["fetch"] = (path, request = {}) => {
      const { token = ADMIN_TOKEN, body } = request;
      return fetch(`${server.url}${path}`, {
        method: request.method ?? (body === undefined ? "GET" : "POST"),
        headers: {
          ...(token === null ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { "content-type": "application/json" }),
          ...request.headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(request.signal === undefined ? {} : { signal: request.signal }),
      });
    };
    return {
      url: server.url,
      adminToken: ADMIN_TOKEN,
      context: server.context,
      host,
      fetch: send,
      async request(path, request) {
        const response = await send(path, request);
        const text = await response.text();
        return { status: response.status, headers: response.headers, body: parse(text) };
      },
      async [Symbol.asyncDispose]() {
        await server.stop();
        await cleanUp();
      },
    };
  } catch (error) {
    await cleanUp();
    throw error;
  }
}

/** Every loop is led by a process that is not there, and for longer than a test takes. */
async function leadElsewhere({ db }: Store, hostId: string): Promise<void> {
  const holder = randomUUID();
  for (const name of LOOP_NAMES) {
    const row = rowNameOf({ name, perHost: LOOPS[name].perHost }, hostId);
    await createLease(db, { name: row, holder, leaseMs: 3_600_000 }).hold();
  }
}

const LOOP_NAMES = Object.keys(LOOPS) as LoopName[];

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
