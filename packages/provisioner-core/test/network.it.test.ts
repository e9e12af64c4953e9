import { systemClock } from "@molecule-ai/core";
import { findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { expect, it } from "vitest";
import { ensureNetwork } from "../src/docker/storage.js";
import type { StartRun } from "../src/docker/start-run.js";
import type { WorkspacePlan } from "../src/workspace-plan.js";
import { connectLab } from "./lab.js";

const found = await findTestEngine();

it.skipIf(found.skip !== undefined)(
  `one network is made by many that need it at the same moment${found.skip === undefined ? "" : `: ${found.skip}`}`,
  async () => {
    if (found.skip !== undefined) return;
    await using engine = await connectLab(found.dockerHost);
    for (let round = 0; round < 3; round += 1) {
      const name = uniqueName("molecule-test-net");
      const plan = { network: { name, labels: {} } } as unknown as WorkspacePlan;
      const run = { context: { engine, clock: systemClock }, stamp: {} } as unknown as StartRun;
      const same = async () => (await engine.networks.list()).filter((one) => one.name === name);
      try {
        await Promise.all(Array.from({ length: 6 }, () => ensureNetwork(run, plan)));
        expect(await same()).toHaveLength(1);
      } finally {
        for (const { id } of await same()) await engine.networks.remove(id);
      }
    }
  },
);
