// One of several processes that share a PostgreSQL: takes operations until it is killed, or told to
// stop by the end of its input. Its side effects are rows of the table `effects`.
import { sql } from "drizzle-orm";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { openStore } from "../../src/store/open-store.js";
import { createTestRunner, createTestWorker } from "./operation-fixture.js";

const [databaseUrl, name] = process.argv.slice(2);
const store = await openStore({
  databaseUrl,
  stateDirectory: undefined,
  logger: pino({ level: "silent" }),
});
const runner = createTestRunner();
runner.work = async (_, { signal }) => {
  await sleep(250, undefined, { signal });
};
runner.onFinish = async (tx, { id, attempt }, { state }) => {
  await tx.execute(sql`
    insert into effects (operation_id, attempt, process, state) values (${id}, ${attempt}, ${name}, ${state})`);
};
const worker = createTestWorker(store, { runner, limits: { total: 4, perRuntime: 100 } });
await worker.start();
process.stdout.write("taking\n");
process.stdin.resume();
await once(process.stdin, "end");
await worker.drain({ graceMs: 5000 });
await store[Symbol.asyncDispose]();
