import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Store } from "../src/store/open-store.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

describe("readiness", () => {
  it("is open, and names parts without what is behind them", async () => {
    const answer = await server.request("/ready", { token: null });
    expect(answer).toMatchObject({
      status: 200,
      body: { status: "ready", parts: { store: "ok", migrations: "ok", engine: "ok" } },
    });
  });

  it("is degraded without an engine, and takes requests all the same", async () => {
    server.host.disconnect();
    try {
      // An answer is kept for a moment.
      await expect
        .poll(() => server.request("/ready", { token: null }))
        .toMatchObject({
          status: 200,
          body: { status: "degraded", parts: { store: "ok", engine: "failed" } },
        });
      expect((await server.request("/workspaces")).status).toBe(200);
    } finally {
      server.host.reconnect();
    }
  });

  it("is refused while the store does not answer", async () => {
    const { store } = server.context;
    let isBroken = false;
    const breakable: Store = {
      ...store,
      ping: () => (isBroken ? Promise.reject(new Error("secret address")) : store.ping()),
    };
    await using other = await startTestServer({ store: breakable });
    isBroken = true;
    const answer = await other.request("/ready", { token: null });
    expect(answer).toMatchObject({ status: 503, body: { status: "unavailable" } });
    expect(JSON.stringify(answer.body)).not.toContain("secret");
    const metrics = await other.request("/metrics", { token: null });
    expect(metrics.body).toContain("molecule_database_up 0");
  });
});

describe("metrics", () => {
  it("count requests by route, and the fleet by what it is, never by workspace", async () => {
    const created = await server.request("/workspaces", {
      body: { name: "agent", external: true },
    });
    const { id } = created.body as { id: string };
    for (let n = 0; n < 3; n += 1) await server.request(`/workspaces/${id}`);
    await server.request("/nothing/here");
    const leave = new AbortController();
    await server.fetch("/events/stream", { signal: leave.signal });
    const { body, headers } = await server.request("/metrics", { token: null });
    leave.abort();
    expect(headers.get("content-type")).toMatch(/^text\/plain; version=/);
    const lines = String(body).split("\n");
    const value = (name: string): number =>
      Number(
        lines
          .find((line) => line.startsWith(`${name} `))
          ?.split(" ")
          .at(-1),
      );
    expect(
      value(
        'molecule_http_request_duration_seconds_count{method="GET",route="/workspaces/:id",status="200"}',
      ),
    ).toBe(3);
    expect(value('molecule_workspaces{status="paused"}')).toBe(0);
    expect(value('molecule_operations{kind="restart",state="queued"}')).toBe(0);
    expect(value("molecule_operations_queue_depth")).toBe(0);
    expect(value("molecule_streams_open")).toBe(1);
    expect(value("molecule_event_listeners")).toBe(1);
    expect(value("molecule_database_up")).toBe(1);
    expect(value("molecule_heartbeats_total")).toBe(0);
    expect(body).not.toContain(id);
    expect(body).not.toContain("/nothing/here");
  });
});
