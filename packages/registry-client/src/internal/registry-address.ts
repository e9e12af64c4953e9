import { parseImageReference, type ImageReference } from "@molecule-ai/registry-mode";
import type { Repository } from "../client.js";
import { wrongArgument } from "../errors.js";

const LOOPBACK = /^(?:localhost|127\.\d{1,3}\.\d{1,3}\.\d{1,3}|\[::1\])(?::\d+)?$/;

/** Origin of a registry's API, and whether TLS is left out. */
export interface RegistryAddress {
  /** As in references. */
  readonly host: string;
  readonly origin: string;
  readonly isInsecure: boolean;
}

export function registryAddress(host: string, insecureHosts: ReadonlySet<string>): RegistryAddress {
  const isInsecure = isLoopback(host) || insecureHosts.has(host);
  const apiHost = host === "docker.io" ? "registry-1.docker.io" : host;
  return {
    host,
    origin: new URL(`${isInsecure ? "http" : "https"}://${apiHost}`).origin,
    isInsecure,
  };
}

/** Host, with its port, of this machine. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host);
}

/** Throws `ERR_IMAGE_REFERENCE_INVALID`. */
export function parseRepository(repository: Repository): Pick<ImageReference, "domain" | "path"> {
  return typeof repository === "string" ? parseImageReference(repository) : repository;
}

/** The host as references have it. Throws `ERR_REGISTRY_ARGUMENT` for anything but a host and port. */
export function checkHost(host: string): string {
  try {
    // A host alone is a path to Docker Hub; what follows makes it one, if it can be.
    const { domain, path } = parseImageReference(`${host}/x`);
    if (path === "x" || (domain === "docker.io" && path === "library/x")) return domain;
  } catch {
    // Told below.
  }
  throw wrongArgument(
    `${JSON.stringify(host.slice(0, 200))} is no registry host.`,
    "Write host or host:port, for example ghcr.io or 127.0.0.1:5000.",
  );
}
