import { setTimeout as sleep } from "node:timers/promises";
import { makeFleet, type FleetMember } from "./fleet.js";
import {
  atMost,
  expectStatus,
  quantile,
  timeEach,
  type Figure,
  type LoadScenario,
} from "./load-scenario.js";
import { startServerProcess, type ServerAnswer, type ServerProcess } from "./server-process.js";

const WORKSPACES = 1000;
const SECONDS = 60;

function sendHeartbeat(
  server: ServerProcess,
  { id, token }: FleetMember,
  uptime: number,
): Promise<ServerAnswer> {
  return server.call("POST", "/registry/heartbeat", {
    token,
    body: { workspace_id: id, error_rate: 0, active_tasks: 0, uptime_seconds: uptime },
  });
}

/** Sends at a steady rate, whatever the answers take, and returns what each took. */
async function beat(
  server: ServerProcess,
  fleet: readonly FleetMember[],
  perSecond: number,
): Promise<{ readonly samples: number[]; readonly failures: number }> {
  const samples: number[] = [];
  const under: Promise<void>[] = [];
  let failures = 0;
  const startedAt = performance.now();
  const total = perSecond * SECONDS;
  for (let sent = 0; sent < total; sent += 1) {
    const due = startedAt + (sent / perSecond) * 1000;
    const wait = due - performance.now();
    if (wait > 1) await sleep(wait);
    const member = fleet[sent % fleet.length];
    if (member === undefined) throw new Error("no fleet");
    const sentAt = performance.now();
    under.push(
      sendHeartbeat(server, member, sent)
        .then((answer) => {
          expectStatus(answer, 200);
          samples.push(performance.now() - sentAt);
        })
        .catch((error: unknown) => {
          failures += 1;
          if (failures === 1) console.error(error);
        }),
    );
  }
  await Promise.all(under);
  return { samples, failures };
}

export const heartbeats: LoadScenario = {
  id: "heartbeats",
  databases: ["pglite", "postgres"],
  async run(database) {
    await using server = await startServerProcess({ database });
    const fleet = await makeFleet(server, WORKSPACES);
    // The first heartbeat of each brings it online, with an event: that happens once.
    await timeEach(fleet.length, 16, async (index) => {
      const member = fleet[index];
      if (member === undefined) throw new Error("no fleet");
      expectStatus(await sendHeartbeat(server, member, index), 200);
    });
    const figures: Figure[] = [];
    for (const [name, perSecond] of [
      ["1,000 workspaces every 30 s", WORKSPACES / 30],
      ["500 heartbeats/s", 500],
    ] as const) {
      const before = await server.cpuSeconds();
      const { samples, failures } = await beat(server, fleet, perSecond);
      const share = ((await server.cpuSeconds()) - before) / SECONDS;
      const cpu = `${name}: of one core`;
      figures.push(
        perSecond < 100
          ? atMost(cpu, share * 100, database === "postgres" ? 5 : 15, "%")
          : { name: cpu, value: `${(share * 100).toFixed(1)} %` },
        atMost(`${name}: errors in ${SECONDS} s`, failures, 0, ""),
        {
          name: `${name}: p50 / p99`,
          value: `${quantile(samples, 0.5).toFixed(1)} / ${quantile(samples, 0.99).toFixed(1)} ms`,
        },
      );
    }
    return figures;
  },
};
