import { PGlite } from "@electric-sql/pglite";
import type { Logger } from "../logger.js";
import { drizzle as drizzlePostgres } from "drizzle-orm/node-postgres";
import { drizzle as drizzlePglite } from "drizzle-orm/pglite";
import { join } from "node:path";
import pg from "pg";
import { ServerError } from "../errors.js";
import type { Database } from "./database.js";
import { lockDirectory } from "./directory-lock.js";
import { migrateStore } from "./migrate.js";
import { createNotifications, type Notifications } from "./notifications.js";
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

async function openEmbedded({ stateDirectory }: StoreOptions): Promise<Store> {
  const held = stateDirectory === undefined ? undefined : await lockDirectory(stateDirectory);
  let client: PGlite | undefined;
  try {
    client = await PGlite.create(
      stateDirectory === undefined ? {} : { dataDir: join(stateDirectory, "database") },
    );
    const opened = client;
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
  // An idle connection that breaks is replaced by the pool; without a listener it would end us.
  pool.on("error", (error) => logger.warn({ err: error }, "a database connection broke"));
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
    return {
      kind: "postgres",
      db: drizzlePostgres(pool, { schema }) as unknown as Database,
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

/** A connection of its own that comes back by itself; what it missed is said by an empty payload. */
async function listenPostgres(
  connectionString: string,
  channel: string,
  onPayload: (payload: string) => void,
  logger: Logger,
): Promise<() => Promise<void>> {
  let isOver = false;
  let client: pg.Client | undefined;
  let timer: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    const next = new pg.Client({
      connectionString,
      application_name: "molecule-server listen",
      keepAlive: true,
    });
    next.on("notification", (notice) => onPayload(notice.payload ?? ""));
    next.on("error", (error) => logger.warn({ err: error }, "the listening connection broke"));
    next.on("end", () => {
      if (!isOver) timer = setTimeout(() => void reconnect(), 500);
    });
    await next.connect();
    await next.query(`listen "${channel}"`);
    client = next;
  };
  const reconnect = async (): Promise<void> => {
    try {
      await connect();
      onPayload("");
    } catch (error) {
      logger.warn({ err: error }, "the listening connection does not come back yet");
      if (!isOver) timer = setTimeout(() => void reconnect(), 2000);
    }
  };
  await connect();
  return async () => {
    isOver = true;
    clearTimeout(timer);
    await client?.end();
  };
}
