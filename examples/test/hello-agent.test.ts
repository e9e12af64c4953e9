import { readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { recordSkip } from "@molecule-ai/testkit";
import { describe, expect, it } from "vitest";
import { hasPython, startAgent } from "./agent-process.js";
import { startPlatform, type PlatformCall } from "./fake-platform.js";

if (!hasPython) recordSkip("no python3 for the example agent (on Debian: apt-get install python3)");

const OK = { status: 200, body: { status: "ok" } };

async function rpc(url: string, body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

function send(text: string): Record<string, unknown> {
  const message = {
    kind: "message",
    role: "user",
    messageId: "m1",
    parts: [{ kind: "text", text }],
  };
  return { jsonrpc: "2.0", id: 7, method: "message/send", params: { message } };
}

const isHeartbeat = (call: PlatformCall): boolean => call.path === "/registry/heartbeat";

describe.skipIf(!hasPython)("the hello agent serves", () => {
  it("its card at both well-known paths, with the URL peers reach it by", async () => {
    await using agent = await startAgent();
    await agent.ready();
    for (const path of ["/.well-known/agent-card.json", "/.well-known/agent.json"]) {
      const card = (await (await fetch(agent.url + path)).json()) as Record<string, unknown>;
      expect(card).toMatchObject({ name: "hello", version: "1.2.3", description: "a test" });
      expect(card["url"]).toBe(`http://agent-host:${new URL(agent.url).port}`);
    }
  });

  it("health, and 404 for what it does not know", async () => {
    await using agent = await startAgent();
    await agent.ready();
    expect(await (await fetch(`${agent.url}/health`)).json()).toEqual({ status: "ok" });
    expect((await fetch(`${agent.url}/nothing`)).status).toBe(404);
    expect((await fetch(`${agent.url}/nothing`, { method: "POST", body: "{}" })).status).toBe(404);
  });

  it("message/send by repeating the text in an agent message with the request's id", async () => {
    await using agent = await startAgent();
    await agent.ready();
    expect(await rpc(agent.url, send("are you there? ☂"))).toMatchObject({
      jsonrpc: "2.0",
      id: 7,
      result: {
        kind: "message",
        role: "agent",
        parts: [{ kind: "text", text: "hello heard: are you there? ☂" }],
      },
    });
  });

  it.each([
    ["text that is not JSON", "{nope", -32700],
    ["nesting too deep to parse", "[".repeat(200_000), -32700],
    ["a batch", [], -32600],
    ["an object without a version", { id: 1, method: "message/send" }, -32600],
    ["an unknown method", { jsonrpc: "2.0", id: 1, method: "tasks/get" }, -32601],
    ["no message", { jsonrpc: "2.0", id: 1, method: "message/send", params: {} }, -32602],
    [
      "no text part",
      {
        jsonrpc: "2.0",
        id: 1,
        method: "message/send",
        params: { message: { parts: [{ kind: "data" }, 5] } },
      },
      -32602,
    ],
  ])("a JSON-RPC error for %s, and goes on", async (_what, body, code) => {
    await using agent = await startAgent();
    await agent.ready();
    expect(await rpc(agent.url, body)).toMatchObject({ error: { code } });
    expect(await rpc(agent.url, send("still here"))).toHaveProperty("result");
  });

  it("413 for a body past 1 MiB", async () => {
    await using agent = await startAgent();
    await agent.ready();
    const response = await fetch(agent.url, { method: "POST", body: "x".repeat(1024 * 1024 + 1) });
    expect(response.status).toBe(413);
  });

  it("the transcript to the bearer of its token and to nobody else", async () => {
    await using agent = await startAgent({ token: "s3cret" });
    await agent.ready();
    await rpc(agent.url, send("one"));
    const ask = (authorization: string | undefined): Promise<Response> =>
      fetch(`${agent.url}/transcript`, authorization ? { headers: { authorization } } : {});
    expect((await ask(undefined)).status).toBe(401);
    expect((await ask("Bearer wrong")).status).toBe(401);
    const { transcript } = (await (await ask("Bearer s3cret")).json()) as {
      transcript: { role: string; text: string }[];
    };
    expect(transcript.map(({ role, text }) => [role, text])).toEqual([
      ["user", "one"],
      ["agent", "hello heard: one"],
    ]);
  });

  it("no transcript at all while it has no token", async () => {
    await using agent = await startAgent();
    await agent.ready();
    const headers = { authorization: "Bearer " };
    expect((await fetch(`${agent.url}/transcript`, { headers })).status).toBe(401);
  });
});

describe.skipIf(!hasPython)("the hello agent refuses to start", () => {
  it("without config.yaml", async () => {
    await using agent = await startAgent({ config: null });
    expect(await agent.exited()).toBe(1);
    expect(agent.output()).toContain("config.yaml");
  });

  it("without WORKSPACE_ID", async () => {
    await using agent = await startAgent({ env: { WORKSPACE_ID: "" } });
    expect(await agent.exited()).toBe(1);
    expect(agent.output()).toContain("WORKSPACE_ID");
  });

  it("with a port outside 1 to 65535", async () => {
    await using agent = await startAgent({ config: "name: hello\na2a:\n  port: 70000\n" });
    expect(await agent.exited()).toBe(1);
    expect(agent.output()).toContain("a2a.port");
  });
});

describe.skipIf(!hasPython)("the hello agent and the platform", () => {
  it("registers with id, url and card, then sends heartbeats", async () => {
    await using platform = await startPlatform(() => OK);
    await using agent = await startAgent({
      token: "from-the-volume",
      env: { PLATFORM_URL: platform.url, HEARTBEAT_INTERVAL_SECONDS: "0.05" },
    });
    const heartbeat = await platform.call(isHeartbeat);
    expect(platform.calls[0]).toMatchObject({
      path: "/registry/register",
      headers: { authorization: "Bearer from-the-volume" },
      body: {
        id: "ws-under-test",
        url: `http://agent-host:${new URL(agent.url).port}`,
        agent_card: { name: "hello" },
      },
    });
    expect(heartbeat.headers.authorization).toBe("Bearer from-the-volume");
    expect(heartbeat.body).toMatchObject({
      workspace_id: "ws-under-test",
      error_rate: 0,
      sample_error: "",
      active_tasks: 0,
      current_task: "",
    });
  });

  it("keeps the token that register returns, readable by its user alone", async () => {
    await using platform = await startPlatform(({ path }) =>
      path === "/registry/register"
        ? { status: 200, body: { status: "registered", auth_token: "issued" } }
        : OK,
    );
    await using agent = await startAgent({
      env: { PLATFORM_URL: platform.url, HEARTBEAT_INTERVAL_SECONDS: "0.05" },
    });
    const heartbeat = await platform.call(isHeartbeat);
    expect(heartbeat.headers.authorization).toBe("Bearer issued");
    const file = join(agent.configDir, ".auth_token");
    expect(await readFile(file, "utf8")).toBe("issued\n");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  });

  it("reads the token again when a heartbeat is answered 401", async () => {
    await using platform = await startPlatform((call) =>
      isHeartbeat(call) && call.headers.authorization !== "Bearer rotated"
        ? { status: 401, body: { error: "no" } }
        : OK,
    );
    await using agent = await startAgent({
      token: "old",
      env: { PLATFORM_URL: platform.url, HEARTBEAT_INTERVAL_SECONDS: "0.05" },
    });
    await platform.call(isHeartbeat);
    await writeFile(join(agent.configDir, ".auth_token"), "rotated\n");
    await platform.call(({ headers }) => headers.authorization === "Bearer rotated");
  });

  it("serves while the platform is away or fails, and registers when it is back", async () => {
    let up = false;
    await using platform = await startPlatform(() =>
      up ? OK : { status: 503, body: { error: "starting" } },
    );
    await using agent = await startAgent({
      env: { PLATFORM_URL: platform.url, HEARTBEAT_INTERVAL_SECONDS: "0.05" },
    });
    await platform.call(({ path }) => path === "/registry/register");
    await agent.ready();
    expect(await rpc(agent.url, send("hi"))).toHaveProperty("result");
    expect(platform.calls.some(isHeartbeat)).toBe(false);
    up = true;
    await platform.call(isHeartbeat);
  });

  it("does not carry its token along a redirect", async () => {
    await using elsewhere = await startPlatform(() => OK);
    await using platform = await startPlatform(() => ({
      status: 302,
      headers: { location: `${elsewhere.url}/registry/register` },
      body: {},
    }));
    await using agent = await startAgent({
      token: "s3cret",
      env: { PLATFORM_URL: platform.url, HEARTBEAT_INTERVAL_SECONDS: "0.05" },
    });
    await agent.ready();
    await platform.call(() => platform.calls.length >= 3);
    expect(elsewhere.calls).toEqual([]);
  });
});

describe.skipIf(!hasPython)("the hello agent stops", () => {
  it.each(["SIGTERM", "SIGINT"] as const)(
    "on %s with exit code 0 and a snapshot without its token",
    async (signal) => {
      await using agent = await startAgent({ token: "s3cret" });
      await agent.ready();
      await rpc(agent.url, send("my token is s3cret"));
      agent.child.kill(signal);
      expect(await agent.exited()).toBe(0);
      const snapshot = await readFile(join(agent.configDir, ".snapshot/transcript.json"), "utf8");
      expect(snapshot).toContain("hello heard: my token is ***");
      expect(snapshot).not.toContain("s3cret");
    },
  );
});
