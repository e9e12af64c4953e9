import { isProvisionerError } from "@molecule-ai/core";
import { once } from "node:events";
import { connect } from "node:net";
import { expect, it } from "vitest";
import { serve } from "./serve.js";

const config = { host: "127.0.0.1", port: 0, logLevel: "silent", shutdownGraceMs: 1000 } as const;

it("serves /health on a real socket until it is stopped", async () => {
  const server = await serve(config);
  const response = await fetch(`${server.url}/health`);
  expect(await response.json()).toEqual({ status: "ok" });
  await server.stop();
  await expect(fetch(`${server.url}/health`)).rejects.toThrow();
});

it("refuses a port that is taken, by its address", async () => {
  await using first = await serve(config);
  const port = Number(new URL(first.url).port);
  const second = serve({ ...config, port });
  await expect(second).rejects.toThrow(`127.0.0.1:${port}`);
  await expect(second).rejects.toSatisfy((error) => isProvisionerError(error, "ERR_SERVER_LISTEN"));
});

it("stops although a client holds a request open, once the grace is over", async () => {
  const server = await serve({ ...config, shutdownGraceMs: 50 });
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

it("stops once however often it is asked", async () => {
  const server = await serve(config);
  await Promise.all([server.stop(), server.stop()]);
  await server.stop();
});
