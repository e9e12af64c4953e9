import { atMost, expectStatus, quantile, timeEach, type LoadScenario } from "./load-scenario.js";
import { startServerProcess } from "./server-process.js";

const LOADED = 2000;

/** `POST /workspaces` until it is acknowledged: validated, stored, queued. */
export const create: LoadScenario = {
  id: "create",
  databases: ["pglite", "postgres"],
  async run(database) {
    await using server = await startServerProcess({ database });
    const post = async (index: number): Promise<void> => {
      const body = { name: `agent ${index}`, runtime: "langgraph" };
      expectStatus(await server.call("POST", "/workspaces", { body }), 201);
    };
    await timeEach(50, 10, post);
    const single = await timeEach(200, 1, post);
    const before = await server.cpuSeconds();
    const loaded = await timeEach(LOADED, 50, post);
    const cpuMs = (((await server.cpuSeconds()) - before) / LOADED) * 1000;
    return [
      atMost("acknowledged, one at a time, p50", quantile(single, 0.5), 15, "ms"),
      atMost("acknowledged, 50 in flight, p50", quantile(loaded, 0.5), 15, "ms"),
      atMost("acknowledged, 50 in flight, p99", quantile(loaded, 0.99), 60, "ms"),
      {
        name: "processor time of the server for each, 50 in flight",
        value: `${cpuMs.toFixed(2)} ms`,
      },
      {
        name: "throughput with 50 in flight",
        value: `${Math.round((50 / quantile(loaded, 0.5)) * 1000)} /s`,
      },
    ];
  },
};
