import { createServer, request, type IncomingMessage } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { startFaultProxy, type Fault, type FaultProxy } from "../src/index.js";

/** A stand-in engine: ten chunks of ten bytes for `/stream`, an echo for an upgrade. */
const served: string[] = [];
const engine = createServer((incoming, response) => {
  served.push(incoming.url ?? "");
  if (incoming.url === "/echo") {
    incoming.pipe(response);
    return;
  }
  if (incoming.url === "/stream") {
    for (let i = 0; i < 10; i++) response.write("0123456789");
    response.end();
    return;
  }
  response.end(JSON.stringify({ path: incoming.url }));
});
engine.on("upgrade", (_request, socket, head) => {
  socket.write("HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n");
  if (head.length > 0) socket.write(head);
  socket.pipe(socket);
});

let directory: string;
let proxy: FaultProxy;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "fault-proxy-test-"));
  const socketPath = join(directory, "e.sock");
  await new Promise<void>((resolve) => engine.listen(socketPath, resolve));
  proxy = await startFaultProxy({ socketPath });
});
afterAll(async () => {
  await proxy[Symbol.asyncDispose]();
  engine.closeAllConnections();
  engine.close();
  await rm(directory, { recursive: true, force: true });
});
afterEach(() => {
  proxy.clear();
  served.length = 0;
});

interface Got {
  readonly status: number | undefined;
  readonly body: string;
  readonly error: string | undefined;
}

function call(path: string, body?: string): Promise<Got> {
  return new Promise((resolve) => {
    let text = "";
    let answer: IncomingMessage | undefined;
    const finish = (error?: Error): void => {
      const code = error === undefined ? undefined : ((error as NodeJS.ErrnoException).code ?? "?");
      resolve({ status: answer?.statusCode, body: text, error: code });
    };
    const outgoing = request(
      { socketPath: proxy.socketPath, path, method: body === undefined ? "GET" : "POST" },
      (response) => {
        answer = response;
        response.on("data", (chunk: Buffer) => (text += chunk.toString()));
        response.on("end", () => finish());
        response.on("error", finish);
      },
    );
    outgoing.on("error", finish);
    outgoing.end(body);
  });
}

describe("startFaultProxy", () => {
  it("carries requests and bodies unchanged when told nothing, over unix and TCP", async () => {
    expect(await call("/echo", "x".repeat(300_000))).toEqual({
      status: 200,
      body: "x".repeat(300_000),
      error: undefined,
    });
    const answer = await fetch(`${proxy.tcpDockerHost.replace("tcp:", "http:")}/v1.41/info`);
    expect(await answer.json()).toEqual({ path: "/v1.41/info" });
  });

  it("answers in place of the engine as often as told", async () => {
    proxy.add({
      path: /conflict/,
      times: 1,
      skip: 1,
      fault: { kind: "answer", status: 409, body: { message: "no" } },
    });
    expect((await call("/conflict")).status).toBe(200);
    expect(await call("/conflict")).toMatchObject({ status: 409, body: '{"message":"no"}' });
    expect((await call("/conflict")).status).toBe(200);
    expect(served).toHaveLength(2);
  });

  it("cuts the content but ends the answer properly when truncating", async () => {
    proxy.add({ path: /stream/, fault: { kind: "truncate", bytes: 25 } });
    expect(await call("/stream")).toEqual({
      status: 200,
      body: "0123456789012345678901234",
      error: undefined,
    });
  });

  it("breaks the connection in the middle of a body", async () => {
    proxy.add({ path: /stream/, fault: { kind: "eof", bytes: 25 } });
    expect(await call("/stream")).toEqual({
      status: 200,
      body: "0123456789012345678901234",
      error: "ECONNRESET",
    });
  });

  it("tells a request the engine never saw from an answer that got lost", async () => {
    const remove = proxy.add({ path: /./, fault: { kind: "drop-request" } });
    expect((await call("/a")).error).toBe("ECONNRESET");
    expect(served).toEqual([]);
    remove();
    proxy.add({ path: /./, fault: { kind: "drop-answer" } });
    expect((await call("/b")).error).toBe("ECONNRESET");
    expect(served).toEqual(["/b"]);
  });

  it("lets the engine do it and keeps the answer, for as long as the client waits", async () => {
    proxy.add({ path: /./, fault: { kind: "hold-answer" } });
    const from = proxy.requests.length;
    const held = [call("/stream"), call("/echo", "x".repeat(300_000)), upgrade("ping")];
    const results: unknown[] = [];
    for (const one of held) void one.then((got) => results.push(got));
    await vi.waitFor(() => {
      expect(proxy.requests.slice(from).map(({ isAnswered }) => isAnswered)).toEqual([
        true,
        true,
        true,
      ]);
    }, 10_000);
    expect(served.toSorted()).toEqual(["/echo", "/stream"]);
    expect(results).toEqual([]);
    proxy.breakConnections();
    const [stream, echo, upgraded] = await Promise.all(held);
    expect(stream).toEqual({ status: undefined, body: "", error: "ECONNRESET" });
    expect(echo).toMatchObject({ status: undefined, body: "" });
    expect(upgraded).toBe("");
  });

  it("knows of no answer where the engine was not asked", async () => {
    proxy.add({ path: /./, fault: { kind: "drop-request" } });
    await call("/a");
    proxy.clear();
    await call("/b");
    expect(proxy.requests.slice(-2)).toEqual([
      { method: "GET", path: "/a", fault: "drop-request", isAnswered: false },
      { method: "GET", path: "/b", fault: undefined, isAnswered: true },
    ]);
  });

  it("delays without changing the answer", async () => {
    proxy.add({ path: /slow/, fault: { kind: "delay", ms: 5 } });
    expect(await call("/slow")).toMatchObject({ status: 200, body: '{"path":"/slow"}' });
  });

  it("carries an upgraded connection both ways, and breaks it after so many bytes", async () => {
    expect(await upgrade("ping")).toContain("ping");
    proxy.add({ path: /exec/, fault: { kind: "eof", bytes: 2 } });
    const cut = await upgrade("ping");
    expect(cut.endsWith("\r\n\r\npi")).toBe(true);
  });

  it("gives the same faults for the same seed", async () => {
    const faults: Fault[] = [{ kind: "drop-request" }, { kind: "answer", status: 500 }];
    const round = async (seed: number): Promise<(string | undefined)[]> => {
      const before = proxy.requests.length;
      proxy.chaos({ seed, rate: 0.5, faults });
      for (let i = 0; i < 30; i++) await call(`/r${i}`);
      return proxy.requests.slice(before).map((entry) => entry.fault);
    };
    const first = await round(7);
    expect(new Set(first)).toEqual(new Set([undefined, "drop-request", "answer"]));
    expect(await round(7)).toEqual(first);
    expect(await round(8)).not.toEqual(first);
  });
});

function upgrade(text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(proxy.socketPath);
    let got = "";
    socket.on("data", (chunk: Buffer) => {
      got += chunk.toString();
      if (got.includes(text)) socket.destroy();
    });
    socket.on("close", () => resolve(got));
    socket.on("error", reject);
    socket.write(
      `POST /exec/1/start HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n${text}`,
    );
  });
}
