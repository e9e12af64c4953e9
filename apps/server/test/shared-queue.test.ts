import { findTestPostgres, startTestPostgres } from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { openStore } from "../src/store/open-store.js";
import { queryRows } from "../src/store/database.js";
import { addWorkspace, ask, createTestQueue } from "./support/operation-fixture.js";

const postgres = await findTestPostgres();

describe.skipIf(postgres.skip !== undefined)("two server processes on one PostgreSQL", () => {
  it("share 50 operations while one of them is killed: none is lost, none takes effect twice", async () => {
    await using cluster = await startTestPostgres();
    const databaseUrl = await cluster.createDatabase();
    await using store = await openStore({
      databaseUrl,
      stateDirectory: undefined,
      logger: pino({ level: "silent" }),
    });
    const { db } = store;
    // Without a constraint: a second effect of an operation would be seen, not refused.
    await db.execute(sql`
      create table effects (operation_id uuid not null, attempt int not null, process text not null, state text not null)`);
    const effects = (): Promise<{ id: string; process: string; state: string }[]> =>
      queryRows(db, sql`select operation_id as id, process, state from effects`);
    const workers = async (): Promise<number> =>
      new Set((await effects()).map(({ process }) => process)).size;

    const queue = createTestQueue(store);
    const asked: string[] = [];
    for (let at = 0; at < 50; at++) {
      const { operation } = await ask(store, queue, await addWorkspace(store));
      asked.push(operation.id);
    }
    const processes = await Promise.all([
      startProcess(databaseUrl, "first"),
      startProcess(databaseUrl, "second"),
    ]);
    try {
      const [first, second] = processes;
      const runningOf = async (): Promise<number> => {
        const rows = await queryRows<{ n: number }>(
          db,
          sql`select count(*)::int as n from operations where state = 'running'`,
        );
        return rows[0]?.n ?? 0;
      };
      await expect.poll(workers, { timeout: 30_000, interval: 5 }).toBe(2);
      // In the middle of what it does, which is sure while both have four under way.
      await expect.poll(runningOf, { timeout: 30_000, interval: 1 }).toBeGreaterThan(4);
      first?.kill("SIGKILL");
      for (const id of asked) {
        const row = await queue.settled(id, { signal: AbortSignal.timeout(40_000) });
        expect(row).toMatchObject({ state: "succeeded" });
      }
      const seen = await effects();
      expect(seen.map(({ id }) => id).sort()).toEqual([...asked].sort());
      expect(seen.every(({ state }) => state === "succeeded")).toBe(true);
      expect(new Set(seen.map(({ process }) => process))).toEqual(new Set(["first", "second"]));
      const [taken] = await queryRows<{ n: number }>(
        db,
        sql`select count(*)::int as n from operations where takeovers > 0`,
      );
      expect(taken?.n).toBeGreaterThan(0);
      // The one that lives stops in good order.
      const ended = once(second as ChildProcess, "exit");
      second?.stdin?.end();
      expect(await ended).toEqual([0, null]);
    } finally {
      for (const child of processes) child.kill("SIGKILL");
    }
  });
});

async function startProcess(databaseUrl: string, name: string): Promise<ChildProcess> {
  const script = fileURLToPath(new URL("support/worker-process.ts", import.meta.url));
  const child = spawn(
    process.execPath,
    ["--conditions=@molecule-ai/source", "--import", "tsx", script, databaseUrl, name],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  await once(child.stdout, "data");
  return child;
}
