import {
  findTestEngine,
  findTestRegistry,
  pushImage,
  startTestRegistry,
} from "@molecule-ai/testkit";
import { createRegistryImageSource, createProvisioner } from "@molecule-ai/provisioner-core";
import { systemClock } from "@molecule-ai/core";
import { randomUUID } from "node:crypto";
import { createRig, type Rig } from "../rig.js";
import { atMost, expectStatus, quantile, type LoadScenario } from "./load-scenario.js";
import { startServerProcess } from "./server-process.js";

const ROUNDS = 15;
const RUNTIME = "langgraph";

/**
 * From the request until the engine says that the container started, through the server and by the
 * provisioner in this process, in turn, with the same image of the same registry.
 */
export const startThroughServer: LoadScenario = {
  id: "start",
  databases: ["pglite", "postgres"],
  unavailable: async () => (await findTestEngine()).skip ?? (await findTestRegistry()).skip,
  async run(database) {
    await using rig = await createRig();
    await using registry = await startTestRegistry();
    const image = `${registry.host}/workspace-template-${RUNTIME}:latest`;
    await pushImage(rig.socketPath, rig.image, image);
    await using server = await startServerProcess({
      database,
      withEngine: true,
      env: {
        DOCKER_HOST: `unix://${rig.socketPath}`,
        MOLECULE_IMAGE_REGISTRY: registry.host,
        MOLECULE_INSTALL_ID: rig.settings.installId,
      },
    });
    const images = createRegistryImageSource({
      engine: rig.engine,
      prefix: registry.host,
      runtimes: rig.settings.runtimes,
      clock: systemClock,
    });
    const provisioner = createProvisioner({
      backend: rig.backend,
      settings: { ...rig.settings, registry: { kind: "registry", prefix: registry.host } },
      imageSource: images,
    });
    const through: number[] = [];
    const direct: number[] = [];
    for (let round = -1; round < ROUNDS; round += 1) {
      const byServer = await untilRunning(rig, async () => {
        const created = await server.call("POST", "/workspaces", {
          body: { name: `round ${round}`, runtime: RUNTIME },
        });
        expectStatus(created, 201);
        return String(created.body.id);
      });
      const byHand = await untilRunning(rig, async () => {
        const id = randomUUID();
        await provisioner.up({ id, runtime: RUNTIME, tier: 2 }, { wait: false });
        return id;
      });
      await server.call("DELETE", `/workspaces/${byServer.id}?confirm=true&purge=true`);
      await rig.backend.remove(byHand.id, { graceSeconds: 0 });
      if (round < 0) continue;
      through.push(byServer.elapsedMs);
      direct.push(byHand.elapsedMs);
    }
    const [ours, theirs] = [quantile(through, 0.5), quantile(direct, 0.5)];
    return [
      atMost(
        "request to container running, over the provisioner's own start, p50",
        ours - theirs,
        60,
        "ms",
      ),
      {
        name: "through the server, p50 / p99",
        value: `${ours.toFixed(0)} / ${quantile(through, 0.99).toFixed(0)} ms`,
      },
      {
        name: "by the provisioner, p50 / p99",
        value: `${theirs.toFixed(0)} / ${quantile(direct, 0.99).toFixed(0)} ms`,
      },
    ];
  },
};

async function untilRunning(
  rig: Rig,
  begin: () => Promise<string>,
): Promise<{ readonly id: string; readonly elapsedMs: number }> {
  const over = new AbortController();
  const notices = rig.backend.watch({ signal: over.signal })[Symbol.asyncIterator]();
  try {
    // The first notice says that the watch is on.
    await notices.next();
    const startedAt = performance.now();
    const begun = begin();
    for (;;) {
      const { value, done } = await notices.next();
      if (done === true) throw new Error("the watch ended");
      if (value.type !== "started") continue;
      const elapsedMs = performance.now() - startedAt;
      const id = await begun;
      if (value.id === id) return { id, elapsedMs };
    }
  } finally {
    over.abort();
    await notices.return?.();
  }
}
