import { systemClock } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { callEngineJson, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { expect, it } from "vitest";
import { ensureNetwork } from "../src/docker/storage.js";
import type { StartRun } from "../src/docker/start-run.js";
import type { WorkspacePlan } from "../src/workspace-plan.js";
import { connectLab, openLab } from "./lab.js";

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

it.skipIf(found.skip !== undefined)(
  `a start waits while a rival's network of the same name is taken back${found.skip === undefined ? "" : `: ${found.skip}`}`,
  async () => {
    if (found.skip !== undefined) return;
    await using lab = await openLab(found.socketPath);
    const { engine, socketPath, settings } = lab;
    await lab.provisioner.up(lab.spec());
    const [own] = (await engine.networks.list()).filter(
      ({ name }) => name === settings.networkName,
    );
    let rivals = 0;
    const crowded: DockerEngine = {
      ...engine,
      containers: {
        ...engine.containers,
        async start(id, options) {
          if (rivals === 0) {
            rivals += 1;
            const made = await callEngineJson<{ Id: string }>(socketPath, {
              method: "POST",
              path: "/networks/create",
              body: { Name: own?.name, CheckDuplicate: false },
            });
            setTimeout(() => void engine.networks.remove(made.Id), 300);
          }
          await engine.containers.start(id, options);
        },
      },
    };
    const result = await lab.provisionerOn(lab.backendOn(crowded)).up(lab.spec());
    expect(result.ready).toBe(true);
    expect(rivals).toBe(1);
  },
);
