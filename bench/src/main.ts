import { writeFile } from "node:fs/promises";
import { cpus, totalmem } from "node:os";
import { parseArgs } from "node:util";
import { measure, type Measurement, type Scenario } from "./measure.js";
import { formatTable, formatTarget } from "./report.js";
import {
  buildxCold,
  buildxColdTar,
  buildxWarm,
  parseProgress,
  sharedCache,
} from "./scenarios/build.js";
import { version } from "./scenarios/cli.js";
import { cacheHit, cacheHitBare, coldBuild, sameTree } from "./scenarios/image.js";
import { inventory } from "./scenarios/inventory.js";
import { readyByDevcontainer, startByCli, startByHand, startTwenty } from "./scenarios/start.js";

const SCENARIOS: readonly Scenario[] = [
  startByHand,
  startByCli,
  readyByDevcontainer,
  cacheHit,
  cacheHitBare,
  coldBuild,
  sameTree,
  buildxWarm,
  buildxCold,
  buildxColdTar,
  parseProgress,
  inventory,
  sharedCache,
  startTwenty,
  version,
];

const { values } = parseArgs({
  options: {
    only: { type: "string", multiple: true },
    iterations: { type: "string" },
    json: { type: "string" },
  },
});
const chosen = SCENARIOS.filter(({ id }) => values.only?.includes(id) ?? true);
if (chosen.length === 0) {
  throw new Error(`No such scenario; there are ${SCENARIOS.map(({ id }) => id).join(", ")}`);
}

const measurements: Measurement[] = [];
for (const scenario of chosen) {
  const reason = await scenario.unavailable?.();
  if (reason !== undefined) {
    console.error(`${scenario.id}: skipped, ${reason}`);
    continue;
  }
  const iterations = Number(values.iterations ?? scenario.iterations);
  const measurement = await measure(scenario, iterations);
  measurements.push(measurement);
  console.error(
    `${scenario.id}: ${measurement.ratio.toFixed(2)}× (target ${formatTarget(scenario.target)}, ${iterations} pairs)`,
  );
}

const machine = {
  cpu: cpus()[0]?.model ?? "unknown",
  cores: cpus().length,
  memoryGiB: Math.round(totalmem() / 1024 ** 3),
  node: process.version,
};
if (values.json !== undefined) {
  await writeFile(values.json, `${JSON.stringify({ machine, measurements }, undefined, 2)}\n`);
}
console.log(formatTable(measurements));
console.log(`\n${machine.cores} × ${machine.cpu}, ${machine.memoryGiB} GiB, Node ${machine.node}`);
