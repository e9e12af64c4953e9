// Opens the store of a state directory, writes one row, says so, and stays until it is killed.
import { pino } from "pino";
import { openStore } from "../../src/store/open-store.js";
import { settings } from "../../src/store/schema.js";

const store = await openStore({
  databaseUrl: undefined,
  stateDirectory: process.argv[2],
  logger: pino({ level: "silent" }),
});
await store.db.insert(settings).values({ key: "kept", value: true });
process.stdout.write("holding\n");
setInterval(() => undefined, 60_000);
