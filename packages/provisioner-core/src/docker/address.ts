import type { EngineEndpoint } from "@molecule-ai/docker-engine";

/** From where this process reaches agents. */
export interface Vantage {
  readonly endpoint: EngineEndpoint;
  /**
   * `published`: by the ports on the engine's host. `network`: by name, because this process is
   * itself a container on the network of the workspaces.
   */
  readonly agentAddress: "published" | "network";
}

/** Where a published port is reached from here. */
export interface PublishedAddress {
  readonly url: string;
  /** False when only the engine's own machine reaches it. */
  readonly reachable: boolean;
}

/** The URL of a port published by the engine at `endpoint` on host address `ip`. */
export function publishedAddress(
  endpoint: EngineEndpoint,
  binding: { readonly ip: string; readonly port: number },
): PublishedAddress {
  const remoteHost = findRemoteHost(endpoint);
  if (isLoopback(binding.ip)) {
    const host = binding.ip.includes(":") ? "[::1]" : "127.0.0.1";
    return { url: `http://${host}:${binding.port}`, reachable: remoteHost === undefined };
  }
  const host = isAny(binding.ip) ? (remoteHost ?? "127.0.0.1") : bracketed(binding.ip);
  return { url: `http://${host}:${binding.port}`, reachable: true };
}

/** URL of a port on the engine's host itself. */
export function hostAddress({ endpoint, agentAddress }: Vantage, port: number): PublishedAddress {
  const here = agentAddress === "network" ? "host.docker.internal" : "127.0.0.1";
  return { url: `http://${findRemoteHost(endpoint) ?? here}:${port}`, reachable: true };
}

function findRemoteHost(endpoint: EngineEndpoint): string | undefined {
  if (endpoint.kind === "unix" || endpoint.kind === "npipe") return undefined;
  const address = endpoint.address.replace(/^[^@]*@/, "");
  const host = /^(\[[^\]]+\]|[^:/]+)/.exec(address)?.[1];
  if (host === undefined) return undefined;
  return isLoopback(host.replace(/^\[|\]$/g, "")) ? undefined : host;
}

function isLoopback(ip: string): boolean {
  return ip === "::1" || ip === "localhost" || ip.startsWith("127.");
}

function isAny(ip: string): boolean {
  return ip === "" || ip === "0.0.0.0" || ip === "::";
}

function bracketed(ip: string): string {
  return ip.includes(":") ? `[${ip}]` : ip;
}
