import { describeFailure } from "@molecule-ai/core";
import type { DockerEngine, EngineInfo } from "@molecule-ai/docker-engine";
import type { SemVer } from "semver";
import type { BuilderInfo } from "../builders/builder-info.js";
import { builderName } from "../builders/builder-name.js";
import { inspectBuilder } from "../builders/inspect.js";
import type { Buildx } from "../buildx/buildx.js";
import type { BuildkitWorker } from "./buildkit-workers.js";
import { engineBuilderName } from "./open-buildx.js";
import { probeBuildkit, probeEngine, type Probe } from "./probe.js";
import type { BuildSettings } from "./settings.js";

export interface SurveyOptions {
  readonly settings: BuildSettings;
  /** The engine that has the images; undefined when there is none. */
  readonly engine: DockerEngine | undefined;
  /** Why there is no engine. */
  readonly engineFailure?: unknown;
  /** Of `openBuildx`; undefined when there is none. */
  readonly buildx: Buildx | undefined;
  /** Whose builders they are. */
  readonly repositoryId: string;
  readonly signal: AbortSignal;
  /** Longest wait for each endpoint; default 5 seconds. */
  readonly timeoutMs?: number | undefined;
}

/** What buildx says of a builder by its name. */
export type BuilderFinding =
  | { readonly kind: "found"; readonly info: BuilderInfo }
  | { readonly kind: "absent" }
  | { readonly kind: "failed"; readonly reason: string };

/** Everything that was found on this machine about ways to build. */
export interface Survey {
  /** Socket path or `host:port`. */
  readonly engineAddress: string | undefined;
  readonly engine: Probe<EngineInfo>;
  readonly buildx:
    | { readonly kind: "found"; readonly version: SemVer; readonly program: string }
    | { readonly kind: "absent"; readonly reason: string };
  /** Undefined when none was named. */
  readonly remote: Probe<readonly BuildkitWorker[] | undefined> | undefined;
  /** The builder that is the engine itself. */
  readonly engineBuilder: { readonly name: string; readonly finding: BuilderFinding };
  /** Our own, which may not be there yet. */
  readonly containerBuilder: { readonly name: string; readonly finding: BuilderFinding };
  readonly remoteBuilderName: string;
  /** The one that `MOLECULE_BUILDER` names. */
  readonly namedBuilder: { readonly name: string; readonly finding: BuilderFinding } | undefined;
}

const DEFAULT_TIMEOUT_MS = 5000;
const NOT_ASKED: BuilderFinding = { kind: "absent" };

/**
 * Looks at everything that was named and at nothing else, all at once, and changes nothing. Rejects
 * only when the caller aborts: what does not answer is a finding.
 */
export async function surveyBackends(options: SurveyOptions): Promise<Survey> {
  const { settings, engine, signal } = options;
  const timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  const buildx = await findVersion(options);
  const usable = buildx.kind === "found" ? options.buildx : undefined;
  const own = builderName(options.repositoryId, settings.namespace);
  const names = {
    engine: engineBuilderName(settings, engine?.endpoint),
    // One repository may be built both ways in turn: neither takes the other's place.
    container: `${own}-container`,
    remote: own,
  };
  const look = async (name: string | undefined): Promise<BuilderFinding> =>
    usable === undefined || name === undefined
      ? NOT_ASKED
      : findBuilder({ buildx: usable, name, signal, timeoutMs });
  const isNamed = settings.builder !== undefined;
  const [engineProbe, remote, engineBuilder, containerBuilder, named] = await Promise.all([
    engine === undefined
      ? noEngine(options.engineFailure)
      : probeEngine(engine, { signal, timeoutMs }),
    settings.remote === undefined
      ? undefined
      : probeBuildkit(settings.remote, { signal, timeoutMs }),
    look(engine === undefined ? undefined : names.engine),
    look(engine === undefined || isNamed ? undefined : names.container),
    look(settings.builder),
  ]);
  return {
    engineAddress: engine?.endpoint.address,
    engine: engineProbe,
    buildx,
    remote,
    engineBuilder: { name: names.engine, finding: engineBuilder },
    containerBuilder: { name: names.container, finding: containerBuilder },
    remoteBuilderName: names.remote,
    namedBuilder:
      settings.builder === undefined ? undefined : { name: settings.builder, finding: named },
  };
}

function noEngine(failure: unknown): Probe<EngineInfo> {
  const reason = failure === undefined ? "there is no Docker engine" : wordsOf(failure);
  return { kind: "unhealthy", reasons: [reason] };
}

async function findVersion({ buildx, signal }: SurveyOptions): Promise<Survey["buildx"]> {
  if (buildx === undefined) {
    return { kind: "absent", reason: "there is no buildx on PATH or among Docker's plugins" };
  }
  const { file, args } = buildx.settings.command;
  try {
    const version = await buildx.version(signal);
    return { kind: "found", version, program: [file, ...args].join(" ") };
  } catch (error) {
    signal.throwIfAborted();
    return { kind: "absent", reason: wordsOf(error) };
  }
}

async function findBuilder(options: Parameters<typeof inspectBuilder>[0]): Promise<BuilderFinding> {
  try {
    const info = await inspectBuilder(options);
    return info === undefined ? { kind: "absent" } : { kind: "found", info };
  } catch (error) {
    options.signal.throwIfAborted();
    return { kind: "failed", reason: wordsOf(error) };
  }
}

function wordsOf(error: unknown): string {
  return describeFailure(error).message.replace(/\.$/, "");
}
