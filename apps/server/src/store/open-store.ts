import { PGlite } from "@electric-sql/pglite";
import { systemClock } from "@molecule-ai/core";
import type { Logger } from "../logger.js";
import { drizzle as drizzlePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { join } from "node:path";
import pg from "pg";
import { ServerError } from "../errors.js";
import type { Database } from "./database.js";
import { lockDirectory } from "./directory-lock.js";
import { migrateStore } from "./migrate.js";
import { TEXT_PARSERS, withoutOwnParsers } from "./lean-parsing.js";
import { createNotifications, type Notifications } from "./notifications.js";
import { retryTransactions } from "./retry-transactions.js";
import * as schema from "./schema.js";

/** Where everything the server knows is kept. */
export interface Store extends AsyncDisposable {
  readonly kind: "pglite" | "postgres";
  readonly db: Database;
  /** NOTIFY of every process on this store. */
  readonly notifications: Notifications;
  /** Rejects when the database does not answer. */
  ping(): Promise<void>;
}

export interface StoreOptions {
  /** A PostgreSQL; undefined for one of its own in `stateDirectory`. */
  readonly databaseUrl: string | undefined;
  /** Undefined keeps an embedded database in memory, for tests. */
  readonly stateDirectory: string | undefined;
  /** What a database in memory begins as: a dump of one. Making an empty one takes seconds. */
  readonly dump?: Blob | undefined;
  /** Connections to a PostgreSQL. */
  readonly maxConnections?: number | undefined;
  readonly logger: Logger;
}

/**
 * Opens the database and brings its schema up to date.
 *
 * @throws ServerError `ERR_STORE_IN_USE`, `ERR_STORE_DIRECTORY`, `ERR_STORE_NEWER`, or
 *   `ERR_STORE_UNAVAILABLE` when a PostgreSQL does not answer.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  return options.databaseUrl === undefined
    ? openEmbedded(options)
    : openPostgres(options.databaseUrl, options);
}

async function openEmbedded({ stateDirectory, dump }: StoreOptions): Promise<Store> {
  const held = stateDirectory === undefined ? undefined : await lockDirectory(stateDirectory);
  let client: PGlite | undefined;
  try {
    client = await PGlite.create({
      ...(stateDirectory === undefined ? {} : { dataDir: join(stateDirectory, "database") }),
      ...(dump === undefined ? {} : { loadDataDir: dump }),
      parsers: TEXT_PARSERS,
    });
    const opened = withoutOwnParsers(client);
    const db = drizzlePglite(opened, { schema }) as unknown as Database;
    await migrateStore(db);
    const notifications = createNotifications((channel, onPayload) =>
      opened.listen(channel, onPayload),
    );
    return {
      kind: "pglite",
      db,
      notifications,
      ping: async () => void (await opened.query("select 1")),
      async [Symbol.asyncDispose]() {
        await notifications[Symbol.asyncDispose]();
        if (!opened.closed) await opened.close();
        await held?.[Symbol.asyncDispose]();
      },
    };
  } catch (error) {
    await client?.close();
    await held?.[Symbol.asyncDispose]();
    if (error instanceof ServerError) throw error;
    throw new ServerError(
      "ERR_STORE_UNAVAILABLE",
      `The embedded database in ${stateDirectory ?? "memory"} cannot be opened: ${(error as Error).message}`,
      {
        hint: "Restore the directory from a backup, or look at its owner and free space.",
        cause: error,
      },
    );
  }
}

async function openPostgres(databaseUrl: string, options: StoreOptions): Promise<Store> {
  const { logger } = options;
  const pool = new pg.Pool({
    connectionString: databaseUrl,
    max: options.maxConnections ?? 10,
    connectionTimeoutMillis: 10_000,
    application_name: "molecule-server",
  });
  // Without listeners a connection that breaks, idle or in the middle of a transaction, would end
  // this process; the query under way is rejected, and the pool replaces the connection.
  const onBroken = (error: Error): void =>
    logger.warn({ err: error }, "a database connection broke");
  pool.on("error", onBroken);
  pool.on("connect", (client) => client.on("error", onBroken));
  let notifications: Notifications | undefined;
  try {
    const connection = await pool.connect();
    try {
      await migrateStore(drizzlePostgres(connection, { schema }) as unknown as Database);
    } finally {
      connection.release();
    }
    notifications = createNotifications((channel, onPayload) =>
      listenPostgres(databaseUrl, channel, onPayload, logger),
    );
    const opened = notifications;
    const db = drizzlePostgres(pool, { schema }) as unknown as Database;
    retryTransactions(db);
    return {
      kind: "postgres",
      db,
      notifications: opened,
      ping: async () => void (await pool.query("select 1")),
      async [Symbol.asyncDispose]() {
        await opened[Symbol.asyncDispose]();
        if (!pool.ended) await pool.end();
      },
    };
  } catch (error) {
    await notifications?.[Symbol.asyncDispose]();
    await pool.end();
    if (error instanceof ServerError) throw error;
    throw new ServerError(
      "ERR_STORE_UNAVAILABLE",
      "The database of DATABASE_URL does not answer.",
      {
        hint: "Check host, port, name and password in DATABASE_URL, and that PostgreSQL runs.",
        retryable: true,
        details: { reason: (error as { code?: string }).code ?? "unknown" },
        cause: error,
      },
    );
  }
}

/** Between attempts to listen again. */
const RECONNECT_MS = 1000;

interface ListeningConnection {
  /** Resolves when it is gone, for whatever reason. */
  readonly ended: Promise<void>;
  end(): Promise<void>;
}

/** A connection of its own that comes back by itself; what it missed is said by an empty payload. */
async function listenPostgres(
  connectionString: string,
  channel: string,
  onPayload: (payload: string) => void,
  logger: Logger,
): Promise<() => Promise<void>> {
  const stop = new AbortController();
  const listen = (): Promise<ListeningConnection> =>
    openListening(connectionString, channel, onPayload, logger);
  let current = await listen();
  const listenAgain = async (): Promise<void> => {
    for (;;) {
      await systemClock.sleep(RECONNECT_MS, stop.signal);
      try {
        current = await listen();
        if (stop.signal.aborted) await current.end();
        return;
      } catch (error) {
        logger.warn({ err: error }, "the listening connection does not come back yet");
      }
    }
  };
  const listening = (async () => {
    while (!stop.signal.aborted) {
      await current.ended;
      await listenAgain().catch(() => undefined);
      if (!stop.signal.aborted) onPayload("");
    }
  })();
  return async () => {
    stop.abort();
    await current.end();
    await listening;
  };
}

async function openListening(
  connectionString: string,
  channel: string,
  onPayload: (payload: string) => void,
  logger: Logger,
): Promise<ListeningConnection> {
  const client = new pg.Client({
    connectionString,
    application_name: "molecule-server listen",
    keepAlive: true,
    connectionTimeoutMillis: 10_000,
  });
  client.on("notification", (notice) => onPayload(notice.payload ?? ""));
  client.on("error", (error) => logger.warn({ err: error }, "the listening connection broke"));
  const ended = new Promise<void>((resolve) => client.once("end", () => resolve()));
  try {
    await client.connect();
    await client.query(`listen "${channel}"`);
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
  return { ended, end: () => client.end() };
}
