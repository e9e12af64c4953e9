import { createRedactor, systemClock, type Clock, type Redactor } from "@molecule-ai/core";
import { engineCandidates, type EngineCandidate } from "./candidates.js";
import type { DockerEngine } from "./engine.js";
import { EngineError, isEngineError, PERMISSION_HINT } from "./errors.js";
import { prepareConnection, type Connection } from "./internal/connection.js";
import { createDockerEngine } from "./internal/docker-engine.js";
import { negotiateApiVersion, readPing, type Ping } from "./internal/ping.js";
import { createTransport, type Transport } from "./internal/transport.js";
import type { EngineSettings } from "./settings.js";

export interface ConnectEngineOptions {
  readonly settings: EngineSettings;
  readonly signal?: AbortSignal | undefined;
  /** Learns every registry secret that is read, and cleans the engine's text. */
  readonly redactor?: Redactor | undefined;
  readonly clock?: Clock | undefined;
  /** Longest silence of the engine in a call, in milliseconds; default 60 000. */
  readonly callTimeoutMs?: number | undefined;
}

const DEFAULT_CALL_TIMEOUT_MS = 60_000;
// A socket that accepts but never answers must not hide the engine behind it.
const PROBE_TIMEOUT_MS = 5000;
const EXPLICIT_PROBE_TIMEOUT_MS = 30_000;

/**
 * Finds the engine and agrees on an API version with it.
 *
 * `DOCKER_HOST` or a Docker context that is set is the only one tried. Otherwise the first well-known
 * socket that answers as an engine is taken. When none does, `ERR_ENGINE_UNREACHABLE` (or
 * `ERR_ENGINE_PERMISSION` when one may not be opened) lists in `details.candidates` each address, its
 * origin and why it was refused. Dispose the engine to close its connections.
 */
export async function connectEngine(options: ConnectEngineOptions): Promise<DockerEngine> {
  const { settings, signal } = options;
  signal?.throwIfAborted();
  const { explicit, candidates } = await engineCandidates(settings);
  const redactor = options.redactor ?? createRedactor();
  const timeoutMs = options.callTimeoutMs ?? DEFAULT_CALL_TIMEOUT_MS;
  const refusals: Refusal[] = [];

  for (const candidate of candidates) {
    const connection = await prepareConnection(candidate, settings.childEnv);
    const transportFor = (version: string | undefined): Transport =>
      createTransport({ ...connection, version, timeoutMs, redactor });
    const probe = transportFor(undefined);
    try {
      const ping = await pingEngine(probe, {
        signal,
        timeoutMs: explicit ? EXPLICIT_PROBE_TIMEOUT_MS : PROBE_TIMEOUT_MS,
      });
      const version = settings.apiVersion ?? negotiateApiVersion(ping, connection.endpoint.address);
      return createDockerEngine({
        transport: transportFor(version),
        ping,
        apiVersion: version,
        settings,
        redactor,
        clock: options.clock ?? systemClock,
        timeoutMs,
      });
    } catch (error) {
      probe.close();
      if (signal?.aborted === true || !isEngineError(error)) throw error;
      if (error.code === "ERR_ENGINE_UNSUPPORTED" && explicit) throw error;
      refusals.push({ candidate, connection, error });
    }
  }
  throw refusedError(refusals, explicit);
}

interface Refusal {
  readonly candidate: EngineCandidate;
  readonly connection: Connection;
  readonly error: EngineError;
}

async function pingEngine(
  transport: Transport,
  options: { readonly signal: AbortSignal | undefined; readonly timeoutMs: number },
): Promise<Ping> {
  const subject = "Look for an engine";
  const answer = await transport.call(
    { method: "GET", path: "/_ping", subject, ...options },
    [200, 404, 405],
  );
  const ping = answer.status === 200 ? readPing(answer.headers) : undefined;
  if (ping !== undefined) return ping;
  throw new EngineError("ERR_ENGINE_PROTOCOL", `${subject}: what answers is no Docker engine`);
}

function refusedError(refusals: readonly Refusal[], explicit: boolean): EngineError {
  const candidates = refusals.map(({ connection, candidate, error }) => ({
    address: connection.endpoint.address,
    origin: candidate.origin,
    code: error.code,
    reason: reasonOf(error),
  }));
  const tried = candidates
    .map(({ address, origin, reason }) => `${address} (${origin}): ${reason}`)
    .join("; ");
  const denied = refusals.some(({ error }) => error.code === "ERR_ENGINE_PERMISSION");
  const last = refusals.at(-1)?.error;
  return new EngineError(
    denied ? "ERR_ENGINE_PERMISSION" : "ERR_ENGINE_UNREACHABLE",
    explicit ? `The Docker engine does not answer: ${tried}` : `No Docker engine found: ${tried}`,
    {
      hint: denied ? PERMISSION_HINT : explicit ? EXPLICIT_HINT : INSTALL_HINT,
      retryable: !denied,
      details: { candidates },
      ...(last === undefined ? {} : { cause: last }),
    },
  );
}

const EXPLICIT_HINT =
  "Start that engine, or unset DOCKER_HOST and the Docker context to use another one.";
const INSTALL_HINT =
  "Install and start Docker (on Debian: apt-get install docker.io), or set DOCKER_HOST.";

function reasonOf(error: EngineError): string {
  switch (error.code) {
    case "ERR_ENGINE_PERMISSION":
      return "permission denied";
    case "ERR_ENGINE_TIMEOUT":
      return "no answer";
    case "ERR_ENGINE_PROTOCOL":
    case "ERR_ENGINE_NOT_FOUND":
      return "not a Docker engine";
    case "ERR_ENGINE_UNREACHABLE":
    case "ERR_ENGINE_TRUNCATED":
      break;
    default:
      return error.message;
  }
  const cause = error.cause as NodeJS.ErrnoException | undefined;
  switch (cause?.code) {
    case "ENOENT":
    case "ENOTDIR":
      return "absent";
    case "ECONNREFUSED":
      // ssh says more than the errno we gave it.
      return cause?.syscall === undefined ? String(cause?.message) : "nothing listens there";
    case "ENOTSOCK":
      return "not a socket";
    default:
      return cause?.message ?? error.message;
  }
}
