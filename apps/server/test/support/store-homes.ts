import { findTestPostgres, startTestPostgres } from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { pino } from "pino";
import { openStore, type Store } from "../../src/store/open-store.js";
import { openMemoryStore } from "./memory-store.js";

/** Where a store may live, for suites that must hold in both. */
export interface StoreHome extends AsyncDisposable {
  readonly store: Store;
  /** A store as another process on the same database has it; the embedded one has one process. */
  another(): Promise<Store>;
  /** Empties every table. */
  clear(): Promise<void>;
}

export interface StoreHomeKind {
  readonly name: string;
  readonly skip: string | undefined;
  open(): Promise<StoreHome>;
}

const logger = pino({ level: "silent" });

export const storeHomes: readonly StoreHomeKind[] = [
  { name: "the embedded database", skip: undefined, open: openEmbeddedHome },
  { name: "PostgreSQL", skip: (await findTestPostgres()).skip, open: openPostgresHome },
];

async function openEmbeddedHome(): Promise<StoreHome> {
  const store = await openMemoryStore();
  return {
    store,
    another: () => Promise.resolve(store),
    clear: () => clear(store),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}

async function openPostgresHome(): Promise<StoreHome> {
  const postgres = await startTestPostgres();
  const databaseUrl = await postgres.createDatabase();
  const opened: Store[] = [];
  const another = async (): Promise<Store> => {
    const store = await openStore({ databaseUrl, stateDirectory: undefined, logger });
    opened.push(store);
    return store;
  };
  const store = await another();
  return {
    store,
    another,
    clear: () => clear(store),
    async [Symbol.asyncDispose]() {
      await Promise.all(opened.map((one) => one[Symbol.asyncDispose]()));
      await postgres[Symbol.asyncDispose]();
    },
  };
}

async function clear({ db }: Store): Promise<void> {
  await db.execute(sql`
    truncate workspaces, operations, structure_events, server_instances, settings cascade`);
}
