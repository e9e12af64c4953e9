import { createRedactor, systemClock } from "@molecule-ai/core";
import { runtimesFromEnv } from "@molecule-ai/registry-mode";
import type { FastifyBaseLogger } from "fastify";
import { randomUUID } from "node:crypto";
import { isIP } from "node:net";
import { describeAdminToken, issueFirstAdminToken } from "./access/admin-token.js";
import { createTokens } from "./access/tokens.js";
import { createApp, type App } from "./app.js";
import type { ServerConfig } from "./config.js";
import { findAgentAddress, listenForAgents } from "./host/agent-listener.js";
import { adoptWorkspaces } from "./host/adopt-workspaces.js";
import { createHostLink } from "./host/create-host-link.js";
import type { HostLink } from "./host/host.js";
import { readAdmissionPolicy } from "./host/host-trust.js";
import { readInstallId } from "./install-id.js";
import { createLogger } from "./logger.js";
import { startLoops } from "./loops/start-loops.js";
import { createOperationQueue } from "./operations/create-operation-queue.js";
import { createOperationRunner } from "./operations/create-operation-runner.js";
import { createWorker } from "./operations/create-worker.js";
import type { RunnerContext } from "./operations/runner-context.js";
import type { OperationQueue } from "./operations/operation.js";
import { createStageDeadlines } from "./operations/stage-deadlines.js";
import { resealSecrets } from "./secrets/reseal.js";
import { openSecretBox } from "./secrets/secret-box.js";
import { createSecretStore } from "./secrets/secret-store.js";
import type { ServerContext } from "./server-context.js";
import { createTemplateCatalog } from "./templates/template-catalog.js";
import { registerServerInstance } from "./store/server-instances.js";
import { openStore, type Store } from "./store/open-store.js";

/** A server that is wired and neither listens nor works yet. Dispose it when it is not served. */
export interface Server extends AsyncDisposable {
  readonly context: ServerContext;
  readonly app: App;
  /**
   * Begins to work: connects to the engine, takes operations, runs the loops. `port` is the one
   * that was bound: agents are told it.
   */
  work(options: { readonly port: number }): Promise<void>;
  /**
   * Ends the work: what does not end within `graceMs` is handed back to the queue. Requests are still
   * answered, but their streams end. Idempotent.
   */
  rest(options: { readonly graceMs: number }): Promise<void>;
}

/** What takes the place of what would be made; each stays its owner's to dispose. */
export interface ServerParts {
  readonly store?: Store | undefined;
  readonly host?: HostLink | undefined;
  readonly operations?: OperationQueue | undefined;
  readonly logger?: FastifyBaseLogger | undefined;
  /** Hears what only the person who starts the server may know; undefined prints it. */
  readonly tell?: ((line: string) => void) | undefined;
}

/**
 * Wires a server.
 *
 * @throws ServerError what `openStore` and `readInstallId` throw; settings that a package refuses
 *   throw that package's error.
 */
export async function openServer(config: ServerConfig, parts: ServerParts = {}): Promise<Server> {
  const clock = systemClock;
  const redactor = createRedactor();
  const logger = parts.logger ?? createLogger({ level: config.logLevel, redactor });
  const shutdown = new AbortController();
  const owned: AsyncDisposable[] = [];
  /** What `work` began, apart from the worker. */
  const working: AsyncDisposable[] = [];
  let resting: Promise<void> | undefined;
  /** The last one first; what does not close keeps none of the others open. */
  const closeAll = async (parts: AsyncDisposable[]): Promise<void> => {
    for (let part = parts.pop(); part !== undefined; part = parts.pop()) {
      try {
        await part[Symbol.asyncDispose]();
      } catch (error) {
        logger.error({ err: error }, "a part of the server could not be closed");
      }
    }
  };
  const dispose = (): Promise<void> => {
    shutdown.abort();
    return closeAll(owned);
  };
  try {
    // First of all: a server that was told to admit by a policy does nothing without it.
    const policy = await readAdmissionPolicy(config);
    let store = parts.store;
    if (store === undefined) {
      store = await openStore({ ...config, logger });
      owned.push(store);
    }
    // After the store: its lock guards the key file, which lies beside an embedded database.
    const box = await openSecretBox({
      secretsKey: config.secretsKey,
      previousSecretsKey: config.previousSecretsKey,
      keyDirectory: store.kind === "pglite" ? config.stateDirectory : undefined,
    });
    const secrets = createSecretStore({ box, redactor });
    const tokens = await createTokens({ store, clock, logger, adminToken: config.adminToken });
    owned.push(tokens);
    if (config.adminToken === undefined) {
      const issued = await issueFirstAdminToken(store.db);
      if (issued !== undefined) (parts.tell ?? print)(describeAdminToken(issued.token));
    } else {
      redactor.add(config.adminToken);
    }
    const installId = await readInstallId(store.db, config.installId);
    let connect: (port: number) => void = () => undefined;
    let host = parts.host;
    if (host === undefined) {
      const link = createHostLink({ config, installId, policy, redactor, clock, logger });
      owned.push(link);
      connect = (port) => link.connect({ port });
      host = link;
    }
    const templates = createTemplateCatalog(config.configsDirectory);
    const base: RunnerContext = {
      config,
      instanceId: randomUUID(),
      installId,
      store,
      host,
      secrets,
      tokens,
      templates,
      runtimes: runtimesFromEnv(config.env),
      clock,
      redactor,
      logger,
      shutdown: shutdown.signal,
    };
    const runner = createOperationRunner(base);
    const operations = parts.operations ?? createOperationQueue({ store, runner, clock });
    const context: ServerContext = { ...base, operations };
    const worker = createWorker({
      store,
      runner,
      host,
      instanceId: context.instanceId,
      limits: { total: config.operationConcurrency, perRuntime: config.runtimeConcurrency },
      deadlines: createStageDeadlines({
        overrideMs: config.provisionTimeoutMs,
        ofTemplatesMs: await templates.provisionTimeouts(),
      }),
      logger,
      redactor,
      clock,
    });
    const rest: Server["rest"] = ({ graceMs }) => {
      shutdown.abort();
      resting ??= (async () => {
        await worker.drain({ graceMs });
        await closeAll(working);
      })();
      return resting;
    };
    owned.push({ [Symbol.asyncDispose]: () => rest({ graceMs: 0 }) });
    const app = await createApp(context);
    owned.push({ [Symbol.asyncDispose]: () => app.close() });
    return {
      context,
      app,
      async work({ port }) {
        connect(port);
        working.push(
          await registerServerInstance({
            db: store.db,
            clock,
            logger,
            id: context.instanceId,
            hostId: () => host.host?.id,
            url: config.advertiseUrl ?? peerUrl(config.host, port),
          }),
        );
        await worker.start();
        if (store.kind === "pglite") working.push(adoptAll(context));
        working.push(await startLoops(context));
        working.push(openToAgents(context, app, port));
        const { signal } = shutdown;
        const sealing = resealSecrets({ db: store.db, box, logger, signal }).then(
          () => undefined,
          (error: unknown) =>
            logger.error({ err: error }, "secrets of the previous key wait for the next start"),
        );
        working.push({ [Symbol.asyncDispose]: () => sealing });
      },
      rest,
      [Symbol.asyncDispose]: dispose,
    };
  } catch (error) {
    await dispose();
    throw error;
  }
}

/**
 * An embedded database has one engine: the one that is here. After the engine was installed anew, or
 * the database brought to another machine, what it knows of another engine would wait for ever.
 */
function adoptAll({ host, store, logger, shutdown }: ServerContext): AsyncDisposable {
  const adopting = (async () => {
    const { id: to } = await host.connected({ signal: shutdown });
    const moved = await adoptWorkspaces(store.db, { from: undefined, to, actor: "system:host" });
    if (moved > 0)
      logger.warn({ hostId: to, moved }, "workspaces of another engine were taken over");
  })().catch((error: unknown) => {
    if (!shutdown.aborted) logger.error({ err: error }, "workspaces were not taken over");
  });
  return { [Symbol.asyncDispose]: () => adopting };
}

/** Lets containers reach a server that listens on loopback, once there is an engine. */
function openToAgents(context: ServerContext, app: App, port: number): AsyncDisposable {
  const { host, config, logger, shutdown: signal } = context;
  const opening = (async () => {
    const connected = await host.connected({ signal });
    const address = await findAgentAddress(connected, config, signal);
    if (address === undefined) return undefined;
    return listenForAgents({ server: app.server, address, port, logger });
  })().catch((error: unknown) => {
    if (!signal.aborted) logger.warn({ err: error }, "containers may not reach this server");
    return undefined;
  });
  return { [Symbol.asyncDispose]: async () => (await opening)?.[Symbol.asyncDispose]() };
}

/** Not the log: that is kept and read by many. */
function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/**
 * Where a peer reaches an address; undefined for one that means another machine to each of them: what
 * is passed on carries the caller's token.
 */
function peerUrl(host: string, port: number): string | undefined {
  if (isIP(host) === 0 ? host === "localhost" : /^(127\.|0\.0\.0\.0$|::1?$)/.test(host))
    return undefined;
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
}
