import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { create } from "./create.js";
import { heartbeats } from "./heartbeats.js";
import { list } from "./list.js";
import type { LoadScenario } from "./load-scenario.js";
import { soak } from "./soak.js";
import { startThroughServer } from "./start-through-server.js";
import { streams } from "./streams.js";

const SCENARIOS: readonly LoadScenario[] = [
  create,
  startThroughServer,
  heartbeats,
  list,
  streams,
  soak,
];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    database: { type: "string" },
  },
});
const chosen = SCENARIOS.filter(({ id }) => values.only?.includes(id) ?? true);
if (chosen.length === 0) {
  throw new Error(`No such scenario; there are ${SCENARIOS.map(({ id }) => id).join(", ")}`);
}

console.log(
  "| scenario | store | figure | value | target | |\n| --- | --- | --- | --- | --- | --- |",
);
for (const scenario of chosen) {
  const reason = await scenario.unavailable?.();
  if (reason !== undefined) {
    console.error(`${scenario.id}: skipped, ${reason}`);
    continue;
  }
  for (const database of scenario.databases) {
    if (values.database !== undefined && values.database !== database) continue;
    for (const { name, value, target, met } of await scenario.run(database)) {
      const verdict = met === undefined ? "" : met ? "met" : "missed";
      console.log(
        `| ${scenario.id} | ${database} | ${name} | ${value} | ${target ?? ""} | ${verdict} |`,
      );
    }
  }
}
console.log(
  `\n${cpus().length} × ${cpus()[0]?.model ?? "unknown"}, ${Math.round(totalmem() / 1024 ** 3)} GiB, Node ${process.version}`,
);
