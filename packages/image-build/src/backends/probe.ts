import { createDeadline, isProvisionerError, stripControlCharacters } from "@molecule-ai/core";
import type { DockerEngine, EngineInfo } from "@molecule-ai/docker-engine";
import { connect as connectSocket, isIP } from "node:net";
import type { Duplex } from "node:stream";
import { connect as connectTls } from "node:tls";
import type { BuildkitEndpoint } from "./buildkit-endpoint.js";
import { decodeWorkers, type BuildkitWorker } from "./buildkit-workers.js";
import { callGrpc } from "./grpc-call.js";
import type { RemoteBuildkit } from "./settings.js";
import { readTlsFiles, type TlsFiles } from "./tls-files.js";

/** What was found at an endpoint that was named. */
export type Probe<Found> =
  | { readonly kind: "healthy"; readonly found: Found }
  | {
      readonly kind: "unhealthy";
      readonly reasons: readonly string[];
      /** What led to it, where there was an error. */
      readonly cause?: unknown;
    };

export interface ProbeOptions {
  readonly signal: AbortSignal;
  /** Longest wait for the endpoint; default 5 seconds. */
  readonly timeoutMs?: number | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const LIST_WORKERS = "/moby.buildkit.v1.Control/ListWorkers";

/** Asks the engine itself whether it answers now. Rejects only when the caller aborts. */
export async function probeEngine(
  engine: DockerEngine,
  options: ProbeOptions,
): Promise<Probe<EngineInfo>> {
  using deadline = deadlineOf(`The engine at ${engine.endpoint.address}`, options);
  const { signal } = deadline;
  try {
    const ping = await engine.request({
      method: "GET",
      path: "/_ping",
      subject: "Look for the engine",
      signal,
    });
    ping.body.resume();
    return { kind: "healthy", found: await engine.info({ signal }) };
  } catch (error) {
    options.signal.throwIfAborted();
    return { kind: "unhealthy", reasons: [reasonOf(error)], cause: error };
  }
}

/**
 * Asks a BuildKit daemon for its workers over gRPC: only BuildKit can answer that, and with TLS only
 * when both sides are who the certificates say. `found` is undefined for an endpoint that only buildx
 * can reach; its bootstrap is the health check there. Rejects only when the caller aborts.
 */
export async function probeBuildkit(
  { endpoint, certDirectory }: RemoteBuildkit,
  options: ProbeOptions,
): Promise<Probe<readonly BuildkitWorker[] | undefined>> {
  if (endpoint.kind === "relayed") return { kind: "healthy", found: undefined };
  const tls = certDirectory === undefined ? undefined : await readTlsFiles(certDirectory);
  if (tls?.kind === "unusable") return { kind: "unhealthy", reasons: tls.reasons };

  using deadline = deadlineOf(`BuildKit at ${endpoint.address}`, options);
  const { signal } = deadline;
  try {
    const connection = dial(endpoint, tls?.files);
    const workers = decodeWorkers(await callGrpc(connection, { path: LIST_WORKERS, signal }));
    if (workers === undefined || workers.length === 0) {
      return { kind: "unhealthy", reasons: ["what answers is no BuildKit daemon with a worker"] };
    }
    return { kind: "healthy", found: workers };
  } catch (error) {
    options.signal.throwIfAborted();
    return { kind: "unhealthy", reasons: [reasonOf(error)], cause: error };
  }
}

function deadlineOf(what: string, options: ProbeOptions): ReturnType<typeof createDeadline> {
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  return createDeadline({ what, timeoutMs, kind: "total", signal: options.signal });
}

function dial(
  endpoint: Extract<BuildkitEndpoint, { kind: "unix" | "tcp" }>,
  tls: TlsFiles | undefined,
): Duplex {
  if (endpoint.kind === "unix") return connectSocket({ path: endpoint.path });
  const { host, port } = endpoint;
  if (tls === undefined) return connectSocket({ host, port });
  return connectTls({
    host,
    port,
    ...tls,
    ALPNProtocols: ["h2"],
    // An address is checked as such, without the name extension.
    ...(isIP(host) === 0 ? { servername: host } : {}),
  });
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ENOTSOCK: "it is not a socket",
  EACCES: "permission denied",
  ECONNREFUSED: "nothing listens there",
  ECONNRESET: "the connection was broken",
  EPIPE: "the connection was broken",
  ENOTFOUND: "its host name is unknown",
  EAI_AGAIN: "its host name cannot be looked up",
  EHOSTUNREACH: "its host cannot be reached",
  ENETUNREACH: "its network cannot be reached",
  ETIMEDOUT: "no answer",
  ERR_HTTP2_ERROR: "what answers does not speak gRPC",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet",
  ERR_TLS_CERT_ALTNAME_INVALID: "its certificate is for another name",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not signed by ca.pem",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not signed by ca.pem",
  UNABLE_TO_GET_ISSUER_CERT: "its certificate is not signed by ca.pem",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not signed by ca.pem",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not signed by ca.pem",
  CERT_SIGNATURE_FAILURE: "its certificate is not signed by ca.pem",
  ERR_SSL_WRONG_VERSION_NUMBER: "it does not speak TLS",
  ERR_SSL_PACKET_LENGTH_TOO_LONG: "it does not speak TLS",
  ERR_SSL_HTTP_REQUEST: "it does not speak TLS",
};

function reasonOf(error: unknown): string {
  if (isProvisionerError(error)) return error.message.replace(/\.$/, "");
  const { code, message } = error as NodeJS.ErrnoException;
  const known = code === undefined ? undefined : REASONS[code];
  if (known !== undefined) return known;
  if (/alert.*(?:certificate|unknown ca|handshake)/i.test(message)) {
    return "it does not accept our certificate";
  }
  return stripControlCharacters(message).replaceAll("\n", " ").slice(0, 200);
}
