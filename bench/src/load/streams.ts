import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { get, type IncomingMessage } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import { makeFleet } from "./fleet.js";
import { atMost, expectStatus, quantile, type Figure, type LoadScenario } from "./load-scenario.js";
import { ADMIN_TOKEN, startServerProcess, type ServerProcess } from "./server-process.js";

const LISTENERS = 500;
const EVENTS = 40;
const HISTORY = 200_000;

/** Opens the streams; `arrivals` fills with when each of them heard the event of that request. */
async function listen(server: ServerProcess, arrivals: Map<string, number[]>): Promise<() => void> {
  const requests = await Promise.all(
    Array.from({ length: LISTENERS }, async () => {
      const request = get(`${server.url}/events/stream`, {
        agent: false,
        headers: { authorization: `Bearer ${ADMIN_TOKEN}`, accept: "text/event-stream" },
      });
      const [response] = (await once(request, "response")) as [IncomingMessage];
      if (response.statusCode !== 200) throw new Error(`stream answered ${response.statusCode}`);
      response.setEncoding("utf8");
      response.on("data", (text: string) => {
        for (const [, id] of text.matchAll(/"request_id":"([0-9a-f-]{36})"/g)) {
          if (id !== undefined) arrivals.get(id)?.push(performance.now());
        }
      });
      response.on("error", () => undefined);
      request.on("error", () => undefined);
      return request;
    }),
  );
  return () => {
    for (const request of requests) request.destroy();
  };
}

async function measureFanOut(server: ServerProcess, workspaceId: string): Promise<number[]> {
  const arrivals = new Map<string, number[]>();
  const close = await listen(server, arrivals);
  const delays: number[] = [];
  try {
    await sleep(500);
    for (let index = 0; index < EVENTS; index += 1) {
      const requestId = randomUUID();
      const heard: number[] = [];
      arrivals.set(requestId, heard);
      const sentAt = performance.now();
      expectStatus(
        await server.call("PATCH", `/workspaces/${workspaceId}`, {
          body: { name: `name ${index}` },
          requestId,
        }),
        200,
      );
      const giveUpAt = sentAt + 10_000;
      while (heard.length < LISTENERS && performance.now() < giveUpAt) await sleep(5);
      if (heard.length < LISTENERS) {
        throw new Error(`${heard.length} of ${LISTENERS} heard of request ${index}`);
      }
      delays.push(...heard.map((at) => at - sentAt));
    }
  } finally {
    close();
  }
  return delays;
}

/** From the request that causes an event until all listeners have it; then with a long history. */
export const streams: LoadScenario = {
  id: "streams",
  databases: ["pglite", "postgres"],
  async run(database) {
    await using server = await startServerProcess({
      database,
      env: { MOLECULE_MAX_STREAMS: String(LISTENERS * 2) },
    });
    const [member] = await makeFleet(server, 1);
    if (member === undefined) throw new Error("no workspace");
    const empty = await measureFanOut(server, member.id);
    const figures: Figure[] = [
      atMost("500 listeners receive an event, p99", quantile(empty, 0.99), 250, "ms"),
      { name: "p50", value: `${quantile(empty, 0.5).toFixed(1)} ms` },
    ];
    if (server.databaseUrl === undefined) return figures;
    const { default: pg } = await import("pg");
    const client = new pg.Client({ connectionString: server.databaseUrl });
    await client.connect();
    await client.query(
      `insert into structure_events (event_type, workspace_id, actor, payload)
       select 'WORKSPACE_UPDATED', $1, 'admin', '{}' from generate_series(1, ${HISTORY})`,
      [member.id],
    );
    await client.query("analyze structure_events");
    await client.end();
    const long = await measureFanOut(server, member.id);
    return [
      ...figures,
      atMost(
        "with 200,000 events of history, p50 against none",
        quantile(long, 0.5) / quantile(empty, 0.5),
        1.2,
        "×",
      ),
      { name: "with 200,000 events, p99", value: `${quantile(long, 0.99).toFixed(1)} ms` },
    ];
  },
};
