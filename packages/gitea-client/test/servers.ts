import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";

import type { Clock } from "@molecule-ai/core";
import { startGiteaServer, type GiteaServer, type TestRepository } from "@molecule-ai/testkit";
import { afterEach } from "vitest";

import {
  createGiteaClient,
  parseRepository,
  type GiteaClient,
  type GiteaClientOptions,
  type TemplateRepository,
} from "../src/index.js";

export const TOKEN = "tok3n/of+the~test";

const open: AsyncDisposable[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((one) => one[Symbol.asyncDispose]()));
});

/** A server with one repository, closed after the test. */
export async function startServer(
  options: Parameters<typeof startGiteaServer>[0] & {
    readonly repository?: Partial<Parameters<GiteaServer["createRepository"]>[0]>;
  } = {},
): Promise<{ server: GiteaServer; git: TestRepository; repository: TemplateRepository }> {
  const { repository: wanted, ...rest } = options;
  const server = await startGiteaServer(rest);
  open.push(server);
  const git = await server.createRepository({
    name: "template-echo",
    files: { Dockerfile: "FROM scratch\n" },
    ...wanted,
  });
  return { server, git, repository: parseRepository(git.url) };
}

/** A client, closed after the test. With a token it is the server's own. */
export function startClient(
  options: GiteaClientOptions & { readonly token?: string; readonly server?: GiteaServer } = {},
): GiteaClient {
  const { token, server, ...rest } = options;
  const client = createGiteaClient({
    ...(token === undefined
      ? {}
      : { settings: { origin: server?.origin, credential: { kind: "token", token } } }),
    ...rest,
  });
  open.push(client);
  return client;
}

/** A clock whose sleeps are over at once and are remembered. */
export function instantClock(): Clock & { readonly sleeps: number[] } {
  const sleeps: number[] = [];
  return {
    sleeps,
    now: () => Date.UTC(2026, 5, 1),
    monotonic: () => 0,
    sleep(ms, signal) {
      signal?.throwIfAborted();
      sleeps.push(ms);
      return Promise.resolve();
    },
  };
}

/** A TCP server that treats every connection as told; gives its origin and connection count. */
export async function startSocketServer(
  onConnection: (socket: Socket) => void,
): Promise<{ readonly origin: string; readonly connections: () => number }> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => {});
    onConnection(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  open.push({
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  });
  const { port } = server.address() as AddressInfo;
  return { origin: `http://127.0.0.1:${port}`, connections: () => connections };
}

/** An origin nobody listens on. */
export async function closedOrigin(): Promise<string> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}
