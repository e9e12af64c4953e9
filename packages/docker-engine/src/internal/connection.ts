import type { Agent } from "node:http";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { CandidateTls, EngineCandidate } from "../candidates.js";
import type { EngineEndpoint } from "../engine.js";
import { EngineError } from "../errors.js";
import { createHttpAgent, createHttpsAgent } from "./agent.js";
import type { ModemTarget } from "./modem.js";
import { createSshAgent } from "./ssh-agent.js";

/** How a candidate is spoken to. */
export interface Connection {
  readonly endpoint: EngineEndpoint;
  readonly target: ModemTarget;
  readonly agent: Agent;
}

/** Prepares the connection; nothing is opened yet. Throws `ERR_ENGINE_SETTINGS`. */
export async function prepareConnection(
  candidate: EngineCandidate,
  childEnv: Readonly<Record<string, string>>,
): Promise<Connection> {
  const { address, origin } = candidate;
  switch (address.kind) {
    case "unix":
    case "npipe":
      return {
        endpoint: { kind: address.kind, address: address.path, origin },
        target: { socketPath: address.path },
        agent: createHttpAgent(),
      };
    case "tcp":
      return prepareTcp(address, candidate);
    case "ssh":
      return {
        endpoint: {
          kind: "ssh",
          address: address.port === undefined ? address.host : `${address.host}:${address.port}`,
          origin,
        },
        // The agent makes the connection; the modem only needs a name for its Host header.
        target: { protocol: "http", host: "docker", port: 80 },
        agent: createSshAgent(address, childEnv),
      };
  }
}

async function prepareTcp(
  address: { readonly host: string; readonly port: number },
  candidate: EngineCandidate,
): Promise<Connection> {
  const { host } = address;
  const files = await readCertificates(candidate.tls, candidate.origin);
  const port = address.port === 0 ? (files === undefined ? 2375 : 2376) : address.port;
  const name = `${host.includes(":") ? `[${host}]` : host}:${port}`;
  const { origin } = candidate;
  return files === undefined
    ? {
        endpoint: { kind: "tcp", address: name, origin },
        target: { protocol: "http", host, port },
        agent: createHttpAgent(),
      }
    : {
        endpoint: { kind: "tls", address: name, origin },
        target: { protocol: "https", host, port },
        agent: createHttpsAgent({ ...files, rejectUnauthorized: candidate.tls?.verify !== false }),
      };
}

interface Certificates {
  ca?: Buffer;
  cert?: Buffer;
  key?: Buffer;
}

async function readCertificates(
  tls: CandidateTls | undefined,
  origin: string,
): Promise<Certificates | undefined> {
  if (tls === undefined) return undefined;
  const certificates: Certificates = {};
  for (const part of ["ca", "cert", "key"] as const) {
    try {
      certificates[part] = await readFile(join(tls.directory, `${part}.pem`));
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") continue;
      throw new EngineError(
        "ERR_ENGINE_SETTINGS",
        `${part}.pem of ${origin} in ${tls.directory} cannot be read (${code ?? "unknown error"})`,
        { hint: "Make the certificates readable for you.", cause },
      );
    }
  }
  if (Object.keys(certificates).length > 0 || (tls.required && !tls.verify)) return certificates;
  if (!tls.required) return undefined;
  throw new EngineError(
    "ERR_ENGINE_SETTINGS",
    `DOCKER_TLS_VERIFY is set, but there are no certificates in ${tls.directory}`,
    { hint: "Put ca.pem, cert.pem and key.pem there, or set DOCKER_CERT_PATH." },
  );
}
