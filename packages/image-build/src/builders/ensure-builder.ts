import {
  isProvisionerError,
  systemClock,
  type BuildEvent,
  type Clock,
  type EventSink,
} from "@molecule-ai/core";
import { parseImageReference } from "@molecule-ai/registry-mode";
import { createHash } from "node:crypto";
import { coerce } from "semver";
import { isLoopback, parseBuildkitEndpoint } from "../backends/buildkit-endpoint.js";
import { probeBuildkit } from "../backends/probe.js";
import { readTlsFiles } from "../backends/tls-files.js";
import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import { checkBuilderName, runBuilderCommand } from "./builder-command.js";
import type { BuilderAction, BuilderInfo, EnsuredBuilder } from "./builder-info.js";
import { lockBuilder } from "./builder-lock.js";
import {
  readBuilderRecord,
  writeBuilderFile,
  writeBuilderRecord,
  type BuilderRecord,
} from "./builder-record.js";
import { createArgs, driverOptionsOf, endpointOf, type BuilderRequest } from "./create-args.js";
import { renderBuilderConfig } from "./gc-policy.js";
import { bootstrapBuilder, inspectBuilder, type InspectAnswer } from "./inspect.js";
import { removeFromBuildx } from "./remove-builder.js";

export interface EnsureBuilderOptions {
  readonly buildx: Buildx;
  readonly request: BuilderRequest;
  /** Where the record, the configuration and the lock of the builder are kept. */
  readonly stateDirectory: string;
  readonly signal: AbortSignal;
  /**
   * Longest making and longest start; default 30 seconds for a remote daemon, 5 minutes for a docker-container builder,
   * whose image may have to be pulled.
   */
  readonly bootstrapTimeoutMs?: number | undefined;
  readonly clock?: Clock | undefined;
  /** Told with `WARN_BUILDER_RECREATED` why a builder is made anew. */
  readonly onEvent?: EventSink<BuildEvent> | undefined;
}

const BOOTSTRAP_TIMEOUT_MS = { remote: 30_000, "docker-container": 5 * 60_000 } as const;
const CREATE_TIMEOUT_MS = 60_000;
const UNDO_TIMEOUT_MS = 30_000;

/**
 * A builder of that name that is what `request` says and has answered: one that is there is used when
 * driver, endpoint, options and configuration are the same, else it is made anew (a docker-container
 * builder keeps its cache then). Safe to call at once in several processes. The builder is never made
 * the current one. A builder that was made here and does not start is removed again, also on abort.
 *
 * Throws `ERR_BUILDER`, `ERR_BUILDX_MISSING`, and `ERR_DEADLINE` for one that never answers.
 */
export async function ensureBuilder(options: EnsureBuilderOptions): Promise<EnsuredBuilder> {
  const { buildx, request, stateDirectory, signal, clock = systemClock } = options;
  const { name } = request;
  checkBuilderName(name);
  await checkTransport(request);
  const config = configText(request);
  const settings = digestOf(request, config);
  const timeoutMs = options.bootstrapTimeoutMs ?? BOOTSTRAP_TIMEOUT_MS[request.driver];
  if (request.driver === "remote") await checkDaemon(request, { signal, timeoutMs });

  await using _lock = await lockBuilder(stateDirectory, name, signal);
  const record = await readBuilderRecord(stateDirectory, name);
  const startedAt = clock.monotonic();
  const bootstrap = (): Promise<InspectAnswer> =>
    bootstrapBuilder({
      buildx,
      name,
      signal,
      timeoutMs,
    });
  const finish = async (
    info: BuilderInfo,
    action: BuilderAction,
    since: number,
  ): Promise<EnsuredBuilder> => {
    const isOurs = record?.settings === settings;
    await writeBuilderRecord(stateDirectory, {
      name,
      action,
      driver: request.driver,
      endpoint: endpointOf(request),
      createdAt:
        action === "reused"
          ? ((isOurs ? record?.createdAt : null) ?? null)
          : new Date(clock.now()).toISOString(),
      settings: action === "reused" && !isOurs ? null : settings,
    });
    return { ...info, action, bootstrapMs: clock.monotonic() - since };
  };

  const known = { record, settings, config };
  const found = await look(options, known, bootstrap);
  if (found.kind === "usable") return await finish(found.info, "reused", startedAt);
  let isReplaced = false;
  if (found.kind === "replaceable") {
    isReplaced = await removeFromBuildx({ buildx, name, signal, keepCache: found.keepCache });
  }
  if (isReplaced && found.kind === "replaceable") {
    options.onEvent?.({
      type: "warning",
      code: "WARN_BUILDER_RECREATED",
      message: `The builder ${name} is made anew: ${found.reason}.`,
    });
  }

  const createdAt = clock.monotonic();
  // buildx writes a new builder down first, and then waits for its daemon.
  let isMine = true;
  try {
    isMine = await create(options, config, timeoutMs);
    const answer = await bootstrap();
    if (answer.kind !== "found") {
      throw notStarted(request, answer.kind === "failed" ? answer.complaint : "it went away");
    }
    const action = !isMine ? "reused" : isReplaced ? "recreated" : "created";
    return await finish(answer.info, action, createdAt);
  } catch (error) {
    if (isMine) await undo(buildx, name, found.kind === "replaceable" && found.keepCache);
    throw error;
  }
}

interface Known {
  readonly record: BuilderRecord | undefined;
  readonly settings: string;
  readonly config: string | undefined;
}

type Found =
  | { readonly kind: "usable"; readonly info: BuilderInfo }
  | { readonly kind: "replaceable"; readonly reason: string; readonly keepCache: boolean }
  | { readonly kind: "absent" };

/** What there is. A builder that is to be replaced is not started first: it may be one that hangs. */
async function look(
  { buildx, request, signal }: EnsureBuilderOptions,
  known: Known,
  bootstrap: () => Promise<InspectAnswer>,
): Promise<Found> {
  const { name, driver } = request;
  const { record } = known;
  const replaceable = (reason: string, oldDriver: string | undefined): Found => ({
    kind: "replaceable",
    reason,
    keepCache: driver === "docker-container" && oldDriver === driver,
  });
  if (request.recreate === true) return replaceable("that was asked for", record?.driver);
  if (typeof record?.settings === "string" && record.settings !== known.settings) {
    return replaceable(whyOther(record, request), record.driver);
  }
  if (record?.settings !== known.settings) {
    const existing = await inspectBuilder({ buildx, name, signal });
    if (existing === undefined) return { kind: "absent" };
    const reason = whyReplaced(existing, request, known);
    if (reason !== undefined) return replaceable(reason, existing.driver);
  }
  const answer = await bootstrap();
  if (answer.kind === "absent") return answer;
  if (answer.kind === "found") {
    const reason = whyReplaced(answer.info, request, known);
    return reason === undefined
      ? { kind: "usable", info: answer.info }
      : replaceable(reason, answer.info.driver);
  }
  // A daemon elsewhere would not answer a new builder either; a container may be broken.
  if (driver === "remote") throw notStarted(request, answer.complaint);
  return replaceable(`it does not start: ${answer.complaint}`, driver);
}

/** False when somebody else made one of that name in the meantime. */
async function create(
  { buildx, request, stateDirectory, signal }: EnsureBuilderOptions,
  config: string | undefined,
  timeoutMs: number,
): Promise<boolean> {
  const { name } = request;
  const configFile =
    config === undefined
      ? undefined
      : await writeBuilderFile(stateDirectory, { builder: name, file: "buildkitd.toml" }, config);
  const version = await buildx.version(signal);
  const { succeeded, complaint } = await runBuilderCommand(buildx, {
    args: createArgs(request, { version, configFile }),
    what: `Making the builder ${name}`,
    timeoutMs: Math.min(CREATE_TIMEOUT_MS, timeoutMs),
    signal,
  });
  if (succeeded) return true;
  if (complaint.startsWith(`existing instance for "${name}"`)) return false;
  throw new ImageBuildError("ERR_BUILDER", `The builder ${name} cannot be made: ${complaint}.`, {
    hint: "Check the endpoint and the limits of the builder.",
  });
}

/** A failure here must not hide the one that led to it. */
async function undo(buildx: Buildx, name: string, keepCache: boolean): Promise<void> {
  const signal = AbortSignal.timeout(UNDO_TIMEOUT_MS);
  await removeFromBuildx({ buildx, name, keepCache, signal }).catch(() => false);
}

function whyOther(
  old: { readonly driver: string; readonly endpoint: string },
  request: BuilderRequest,
): string {
  if (old.driver !== request.driver) return `its driver is ${old.driver || "unknown"}`;
  if (old.endpoint !== endpointOf(request)) return `its endpoint is ${old.endpoint || "unknown"}`;
  return "its settings have changed";
}

function whyReplaced(
  existing: BuilderInfo,
  request: BuilderRequest,
  known: Known,
): string | undefined {
  const { driver, nodes } = existing;
  const [node] = nodes;
  if (node === undefined || nodes.length > 1) return `it has ${nodes.length} nodes`;
  if (driver !== request.driver || node.endpoint !== endpointOf(request)) {
    return whyOther({ driver, endpoint: node.endpoint }, request);
  }
  const wanted = driverOptionsOf(request);
  const names = new Set([...Object.keys(wanted), ...Object.keys(node.driverOptions)]);
  const different = [...names].filter((name) => wanted[name] !== node.driverOptions[name]);
  if (different.length > 0) return `it has another setting of ${different.sort().join(", ")}`;
  // buildx does not tell the configuration of a builder that we did not make.
  const isKnown = known.config === undefined || known.record?.settings === known.settings;
  return isKnown ? undefined : "its configuration is not known";
}

function configText(request: BuilderRequest): string | undefined {
  if (request.driver !== "docker-container" || request.config === undefined) return undefined;
  const { image } = request;
  const version = coerce(image === undefined ? undefined : parseImageReference(image).tag);
  const legacy = version !== null && version.compare("0.17.0") < 0;
  return renderBuilderConfig(request.config, { legacy });
}

function digestOf(request: BuilderRequest, config: string | undefined): string {
  const settings = [request.driver, endpointOf(request), driverOptionsOf(request), config ?? null];
  return createHash("sha256").update(JSON.stringify(settings)).digest("hex");
}

/** A builder is told to run programs: nobody else may listen, or speak in its place. */
async function checkTransport(request: BuilderRequest): Promise<void> {
  const { name } = request;
  const endpoint = endpointOf(request);
  const host = /^(?:tcp|https?):\/\/(?:\[([^\]]*)\]|([^:/]*))/.exec(endpoint);
  const certDirectory = request.driver === "remote" ? request.certDirectory : undefined;
  if (certDirectory !== undefined) {
    const tls = await readTlsFiles(certDirectory);
    if (tls.kind === "read") return;
    throw new ImageBuildError(
      "ERR_BUILDER",
      `The builder ${name} has no certificates for ${endpoint}: ${tls.reasons.join("; ")}.`,
      {
        hint: `Put ca.pem, cert.pem and key.pem into ${certDirectory}, or set BUILDKIT_CERT_PATH.`,
      },
    );
  }
  if (host === null || request.insecure === true || isLoopback(host[1] ?? host[2] ?? "")) return;
  throw new ImageBuildError(
    "ERR_BUILDER",
    `The builder ${name} would be spoken to without TLS at ${endpoint}.`,
    {
      hint:
        request.driver === "remote"
          ? "Name the directory of ca.pem, cert.pem and key.pem with BUILDKIT_CERT_PATH."
          : "Name a Docker context with certificates (DOCKER_CONTEXT), or use ssh://.",
    },
  );
}

/** Within a moment, and with a reason: buildx tries a dead daemon for 20 seconds and a silent one for ever. */
async function checkDaemon(
  request: BuilderRequest & { driver: "remote" },
  options: { readonly signal: AbortSignal; readonly timeoutMs: number },
): Promise<void> {
  const endpoint = parseBuildkitEndpoint(request.endpoint, `The endpoint of ${request.name}`);
  const probe = await probeBuildkit({ endpoint, certDirectory: request.certDirectory }, options);
  if (probe.kind === "healthy") return;
  if (isProvisionerError(probe.cause, "ERR_DEADLINE")) throw probe.cause;
  throw notStarted(request, probe.reasons.join("; "), probe.cause);
}

function notStarted(request: BuilderRequest, complaint: string, cause?: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILDER",
    `The builder ${request.name} (${request.driver}, ${endpointOf(request)}) does not start: ${complaint}.`,
    {
      hint:
        request.driver === "remote"
          ? "Start the BuildKit daemon there, or correct BUILDKIT_HOST."
          : "Check that the engine can pull moby/buildkit and run privileged containers, or use another backend.",
      retryable: true,
      cause,
    },
  );
}
