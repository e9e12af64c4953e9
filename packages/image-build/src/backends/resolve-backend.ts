import type { BuildEvent, EventSink } from "@molecule-ai/core";
import type { BuilderInfo } from "../builders/builder-info.js";
import type { BuilderRequest } from "../builders/create-args.js";
import { ensureBuilder } from "../builders/ensure-builder.js";
import type { BuilderConfig } from "../builders/gc-policy.js";
import { bootstrapBuilder } from "../builders/inspect.js";
import type { Buildx } from "../buildx/buildx.js";
import { ImageBuildError } from "../errors.js";
import type { BuildOptions } from "../image-builder.js";
import type { BackendCandidate, BackendCapabilities, BuildBackend } from "./backend.js";
import { buildxCapabilities, daemonOfBuilder } from "./capabilities.js";
import type { ExplainBackendOptions } from "./explain-backend.js";
import { judgeBackends, type JudgedBackend } from "./judge-backends.js";
import { dockerEndpointOf } from "./open-buildx.js";
import { missingCapabilities } from "./requirements.js";
import { surveyBackends, type Survey } from "./survey.js";

export interface ResolveBackendOptions extends ExplainBackendOptions {
  /** Of the daemon in a builder of our own: garbage collection, mirrors. */
  readonly builderConfig?: BuilderConfig | undefined;
  readonly onEvent?: EventSink<BuildEvent> | undefined;
}

/**
 * The backend for one whole operation: the one that {@link explainBackend} calls chosen, its builder
 * made and started where it needs one. What was named (`MOLECULE_BUILD_BACKEND`, `MOLECULE_BUILDER`,
 * `BUILDKIT_HOST`) is used or there is an error; there is no falling back from it.
 *
 * Throws `ERR_BUILD_BACKEND` with every candidate and its reasons in `details.candidates`,
 * `ERR_BUILDER`, `ERR_DEADLINE`.
 */
export async function resolveBackend(options: ResolveBackendOptions): Promise<BuildBackend> {
  const survey = await surveyBackends(options);
  return takeBackend(pickBackend(survey, options), survey, options);
}

/** The chosen one of what was found. Throws `ERR_BUILD_BACKEND`. */
export function pickBackend(survey: Survey, options: ResolveBackendOptions): JudgedBackend {
  const judged = judgeBackends(survey, options.settings, options.need);
  const winner = judged.find(({ candidate }) => candidate.verdict === "chosen");
  if (winner !== undefined) return winner;
  throw noBackend(judged, options);
}

/** Makes and starts the builder of the chosen one, where it has one of its own. */
export async function takeBackend(
  { candidate, choice, isNamed }: JudgedBackend,
  survey: Survey,
  options: ResolveBackendOptions,
): Promise<BuildBackend> {
  const { name, driver, builder, endpoint = "" } = candidate;
  const { buildx, settings } = options;
  let capabilities = candidate.capabilities as BackendCapabilities;
  if (
    driver !== undefined &&
    driver !== "docker" &&
    builder !== undefined &&
    buildx !== undefined
  ) {
    const isForeign = isNamed && settings.builder === builder;
    const info = isForeign
      ? await startNamed(buildx, builder, options.signal)
      : await ensureBuilder({
          buildx,
          request: requestOf(choice, builder, options),
          stateDirectory: settings.stateDirectory,
          signal: options.signal,
          onEvent: options.onEvent,
        });
    capabilities = buildxCapabilities({
      driver,
      buildxVersion: await buildx.version(options.signal),
      daemon: daemonOfBuilder(info),
      hasEngine: survey.engine.kind === "healthy",
    });
  }
  const backend = { name, driver, builder, endpoint, capabilities };
  checkNeed(options.need, backend);
  return backend;
}

function requestOf(
  choice: JudgedBackend["choice"],
  name: string,
  options: ResolveBackendOptions,
): BuilderRequest {
  const { settings, engine } = options;
  const { remote } = settings;
  if (choice === "remote" && remote !== undefined) {
    const { endpoint, certDirectory } = remote;
    // Whether there may be no TLS was settled when the settings were read.
    const insecure = certDirectory === undefined;
    return { name, driver: "remote", endpoint: endpoint.address, certDirectory, insecure };
  }
  const dockerEndpoint =
    engine === undefined ? undefined : dockerEndpointOf(settings, engine.endpoint);
  if (dockerEndpoint === undefined) {
    throw new ImageBuildError("ERR_BUILDER", "buildx cannot make a builder on that engine.", {
      hint: "Name the engine by a Docker context (DOCKER_CONTEXT), or use another backend.",
    });
  }
  return {
    name,
    driver: "docker-container",
    dockerEndpoint,
    limits: settings.builderLimits,
    image: settings.builderImage,
    config: options.builderConfig,
    // The engine itself was reached in the same way.
    insecure: true,
  };
}

/** A builder that is not ours is started, but never made, changed or removed. */
async function startNamed(buildx: Buildx, name: string, signal: AbortSignal): Promise<BuilderInfo> {
  const answer = await bootstrapBuilder({ buildx, name, signal, timeoutMs: 5 * 60_000 });
  if (answer.kind === "found") return answer.info;
  const why = answer.kind === "absent" ? "there is none of that name" : answer.complaint;
  throw new ImageBuildError("ERR_BUILDER", `The builder ${name} does not start: ${why}.`, {
    hint: "Correct MOLECULE_BUILDER, or unset it.",
  });
}

/**
 * What the daemon turned out to be may be less than what was hoped for before it ran. Throws
 * `ERR_BUILD_BACKEND`.
 */
export function checkNeed(need: BuildOptions | undefined, backend: BuildBackend): void {
  const missing = need === undefined ? [] : missingCapabilities(need, backend.capabilities);
  if (missing.length === 0) return;
  throw new ImageBuildError(
    "ERR_BUILD_BACKEND",
    `The builder ${backend.builder ?? backend.name} cannot do: ${missing.join(", ")}.`,
    { hint: "Use a newer BuildKit there, or another backend (MOLECULE_BUILD_BACKEND)." },
  );
}

function noBackend(
  judged: readonly JudgedBackend[],
  { settings }: ResolveBackendOptions,
): ImageBuildError {
  const demanded =
    settings.backend === "auto"
      ? judged
      : judged.filter(({ choice }) => choice === settings.backend);
  const named = demanded.filter(({ isNamed }) => isNamed);
  const blamed = named.length > 0 ? named.slice(0, 1) : demanded;
  const why = blamed.map(({ candidate }) => describeCandidate(candidate)).join("; ");
  const subject =
    settings.backend === "auto"
      ? "No way to build can be used"
      : `The backend ${settings.backend} cannot be used`;
  const hint =
    named.length > 0
      ? `Repair it, or unset ${settings.builder === undefined ? "BUILDKIT_HOST" : "MOLECULE_BUILDER"} to build elsewhere.`
      : settings.backend === "auto"
        ? "Start a Docker engine, install buildx, or ask for less; image explain tells more."
        : "Repair it, or unset MOLECULE_BUILD_BACKEND to let the machine decide.";
  return new ImageBuildError("ERR_BUILD_BACKEND", `${subject}: ${why}.`, {
    hint,
    details: {
      candidates: judged.map(({ candidate }) => ({
        name: candidate.name,
        driver: candidate.driver ?? null,
        endpoint: candidate.endpoint ?? null,
        verdict: candidate.verdict,
        reasons: candidate.reasons,
      })),
    },
  });
}

function describeCandidate({ name, driver, endpoint, reasons }: BackendCandidate): string {
  const what = driver === undefined ? name : `${name} ${driver}`;
  return `${what}${endpoint === undefined ? "" : ` at ${endpoint}`} (${reasons.join(", ")})`;
}
