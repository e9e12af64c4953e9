import { makeFleet } from "./fleet.js";
import { atMost, expectStatus, quantile, timeEach, type LoadScenario } from "./load-scenario.js";
import { startServerProcess } from "./server-process.js";

const LISTS = 100;

export const list: LoadScenario = {
  id: "list",
  databases: ["pglite", "postgres"],
  async run(database) {
    await using server = await startServerProcess({ database });
    await makeFleet(server, 1000);
    const get = async (): Promise<void> => {
      const answer = await server.call("GET", "/workspaces", { text: true });
      expectStatus(answer, 200);
    };
    await timeEach(10, 1, get);
    const before = await server.cpuSeconds();
    const samples = await timeEach(LISTS, 1, get);
    const cpuMs = (((await server.cpuSeconds()) - before) / LISTS) * 1000;
    const { body } = await server.call("GET", "/workspaces");
    return [
      atMost("GET /workspaces with 1,000, p50", quantile(samples, 0.5), 25, "ms"),
      { name: "fastest", value: `${Math.min(...samples).toFixed(1)} ms` },
      { name: "processor time of the server for each", value: `${cpuMs.toFixed(1)} ms` },
      { name: "p99", value: `${quantile(samples, 0.99).toFixed(1)} ms` },
      { name: "rows in the answer", value: String(body.length) },
    ];
  },
};
