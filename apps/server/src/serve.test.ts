import { isProvisionerError } from "@molecule-ai/core";
import { once } from "node:events";
import { connect } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { pino } from "pino";
import { expect, it } from "vitest";
import { createMemoryHost } from "../test/support/memory-host.js";
import { serverConfigFromEnv, type ServerConfig } from "./config.js";
import { serve } from "./serve.js";
import { openMemoryStore } from "../test/support/memory-store.js";

const logger = pino({ level: "silent" });
const config: ServerConfig = {
  ...serverConfigFromEnv({
    PORT: "0",
    LOG_LEVEL: "silent",
    SECRETS_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString("base64"),
  }),
  shutdownGraceMs: 1000,
};

async function openParts() {
  const store = await openMemoryStore();
  return { store, host: createMemoryHost(), logger };
}

it("serves /health on a real socket until it is stopped", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  const server = await serve(config, parts);
  const response = await fetch(`${server.url}/health`);
  expect(await response.json()).toEqual({ status: "ok" });
  await server.stop();
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

it("refuses a port that is taken, by its address", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  await using first = await serve(config, parts);
  const port = Number(new URL(first.url).port);
  const second = serve({ ...config, port }, parts);
  await expect(second).rejects.toThrow(`127.0.0.1:${port}`);
  await expect(second).rejects.toSatisfy((error) => isProvisionerError(error, "ERR_SERVER_LISTEN"));
});

it("stops although a client holds a request open, once the grace is over", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  const server = await serve({ ...config, shutdownGraceMs: 50 }, parts);
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  await once(socket, "connect");
  socket.on("error", () => undefined);
  socket.resume();
  // Answered at once, but the request is not over: its body is not all there.
  socket.write("POST /health HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
  const closed = once(socket, "close");
  await once(socket, "data");
  await server.stop();
  await closed;
});

it("does not wait for the client of a connection that has had its last answer", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  const server = await serve(
    { ...config, adminToken: "t".repeat(32), shutdownGraceMs: 30_000 },
    parts,
  );
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  await once(socket, "connect");
  const head = [
    "POST /workspaces HTTP/1.1",
    "Host: x",
    `Authorization: Bearer ${"t".repeat(32)}`,
    "Content-Type: application/json",
    "Content-Length: 4",
    "Expect: 100-continue",
  ];
  socket.write(`${head.join("\r\n")}\r\n\r\n`);
  // The request is under way when the server begins to stop, and answered while it does.
  expect(String(await once(socket, "data"))).toContain("100 Continue");
  const stopped = server.stop().then(() => "stopped");
  const answered = once(socket, "data");
  socket.write("{  }");
  expect(String(await answered)).toContain("HTTP/1.1 400");
  const late = sleep(10_000, "waited for the client", { ref: false });
  expect(await Promise.race([stopped, late])).toBe("stopped");
});

it("stops once however often it is asked", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  const server = await serve(config, parts);
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
});

it("closes what it opened although the database is gone when it stops", async () => {
  const parts = await openParts();
  const server = await serve(config, parts);
  await parts.store[Symbol.asyncDispose]();
  await server.stop();
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

it("leaves what it was given open when it stops", async () => {
  const parts = await openParts();
  await using _ = parts.store;
  const server = await serve(config, parts);
  await server.stop();
  await parts.store.ping();
});
