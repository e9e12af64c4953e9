import { readFile } from "node:fs/promises";
import { pino } from "pino";
import { inject } from "vitest";
import { openStore, type Store } from "../../src/store/open-store.js";

/** An empty store of its own, in memory. */
export async function openMemoryStore(): Promise<Store> {
  return openStore({
    databaseUrl: undefined,
    stateDirectory: undefined,
    dump: new Blob([await readFile(inject("storeDump"))]),
    logger: pino({ level: "silent" }),
  });
}
