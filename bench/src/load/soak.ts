import { atMost, expectStatus, timeEach, type Figure, type LoadScenario } from "./load-scenario.js";
import { startServerProcess } from "./server-process.js";

const CYCLES = 10_000;
const MEBIBYTE = 1024 ** 2;

/** Memory and boot time before and after many rows came and went; no engine takes part. */
export const soak: LoadScenario = {
  id: "soak",
  databases: ["pglite", "postgres"],
  async run(database) {
    await using server = await startServerProcess({ database });
    const cycle = async (index: number): Promise<void> => {
      const created = await server.call("POST", "/workspaces", {
        body: { name: `agent ${index}`, external: true },
      });
      expectStatus(created, 201);
      const path = `/workspaces/${String(created.body.id)}?confirm=true&purge=true`;
      expectStatus(await server.call("DELETE", path), 200);
    };
    const idle = await server.residentBytes();
    const firstBoot = server.bootMs;
    await timeEach(1000, 16, cycle);
    const warm = await server.residentBytes();
    await timeEach(CYCLES - 1000, 16, cycle);
    const after = await server.residentBytes();
    await server.restart();
    const figures: Figure[] = [
      { name: "resident memory when idle", value: `${Math.round(idle / MEBIBYTE)} MiB` },
      { name: "after 1,000 create and delete cycles", value: `${Math.round(warm / MEBIBYTE)} MiB` },
      { name: "after 10,000", value: `${Math.round(after / MEBIBYTE)} MiB` },
      { name: "first boot, empty store", value: `${Math.round(firstBoot)} ms` },
      atMost("boot on the existing store", server.bootMs, 1500, "ms"),
    ];
    return figures;
  },
};
