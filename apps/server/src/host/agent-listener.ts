import ipaddr from "ipaddr.js";
import { once } from "node:events";
import type { Server as HttpServer } from "node:http";
import { createServer, type Socket } from "node:net";
import { z } from "zod";
import type { ServerConfig } from "../config.js";
import type { Logger } from "../logger.js";
import type { Host } from "./host.js";

/**
 * Where containers reach a server that listens on loopback only: the gateway of the engine's default
 * bridge, which is what `host.docker.internal` means to them. Undefined where it is of no use: the
 * server listens wider, runs in a container itself, or the engine is on another machine or has a
 * machine of its own, which passes loopback on.
 */
export async function findAgentAddress(
  host: Pick<Host, "engine" | "inDocker">,
  config: Pick<ServerConfig, "host" | "machine">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const isLoopback = /^127\.|^::1$|^localhost$/.test(config.host);
  const isLocal = host.engine.endpoint.kind === "unix" && config.machine.platform === "linux";
  if (!isLoopback || !isLocal || host.inDocker) return undefined;
  const answer = await host.engine.request({
    method: "GET",
    path: "/networks/bridge",
    subject: "Look at the default network",
    expect: [200, 404],
    signal,
  });
  const chunks: Buffer[] = [];
  for await (const chunk of answer.body) chunks.push(chunk as Buffer);
  if (answer.status !== 200) return undefined;
  return gatewayOf(Buffer.concat(chunks).toString("utf8"));
}

const network = z.object({
  IPAM: z.object({
    Config: z
      .array(z.object({ Gateway: z.string().optional(), Subnet: z.string().optional() }))
      .nullable(),
  }),
});

/**
 * The IPv4 gateway in the engine's record of a network. Engines leave it out when they chose it
 * themselves: then it is the first address of the subnet.
 */
export function gatewayOf(record: string): string | undefined {
  let json: unknown;
  try {
    json = JSON.parse(record);
  } catch {
    return undefined;
  }
  const configs = network.safeParse(json).data?.IPAM.Config ?? [];
  const given = configs.find(({ Gateway = "" }) => ipaddr.IPv4.isValid(Gateway))?.Gateway;
  const subnet = configs.find(({ Subnet = "" }) => ipaddr.IPv4.isValidCIDR(Subnet))?.Subnet;
  return given ?? (subnet === undefined ? undefined : firstAddressOf(subnet));
}

function firstAddressOf(subnet: string): string {
  const octets = ipaddr.IPv4.networkAddressFromCIDR(subnet).octets;
  return [...octets.slice(0, 3), (octets[3] ?? 0) + 1].join(".");
}

/**
 * Takes connections on one more address for a server that listens already; they are the server's
 * own, with its limits, from then on. An address that cannot be bound is only said in the log.
 */
export async function listenForAgents(options: {
  readonly server: HttpServer;
  readonly address: string;
  readonly port: number;
  readonly logger: Logger;
}): Promise<AsyncDisposable> {
  const { server, address, port, logger } = options;
  const listener = createServer((socket: Socket) => {
    server.emit("connection", socket);
  });
  const closed = new Promise((resolve) => listener.once("close", resolve));
  try {
    listener.listen({ host: address, port });
    await once(listener, "listening");
    logger.info(`agents reach the server at http://${address}:${port}`);
  } catch (error) {
    logger.warn(
      { err: error, address, port },
      "agents in containers cannot reach this server: set HOST to an address they reach, or PLATFORM_URL",
    );
    return { [Symbol.asyncDispose]: () => Promise.resolve() };
  }
  return {
    async [Symbol.asyncDispose]() {
      if (!listener.listening) return;
      listener.close();
      // Connections that were handed over are the server's to close, and this waits for them.
      await Promise.race([closed, once(server, "close")]);
    },
  };
}
