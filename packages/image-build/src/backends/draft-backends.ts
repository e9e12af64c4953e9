import { ENGINE_CAPABILITIES } from "../engine/engine-capabilities.js";
import type { BackendCandidate, BackendCapabilities, BuilderDriver } from "./backend.js";
import {
  buildxCapabilities,
  daemonOfBuilder,
  daemonOfWorkers,
  type DaemonFacts,
} from "./capabilities.js";
import type { BackendChoice, BuildSettings } from "./settings.js";
import type { BuilderFinding, Survey } from "./survey.js";

/** A way to build as it was found, before it is held against what is asked. */
export type BackendDraft = Omit<BackendCandidate, "verdict" | "reasons" | "capabilities"> & {
  /** How it is demanded. */
  readonly choice: Exclude<BackendChoice, "auto">;
  /** The operator named it: it is used or there is an error, but nothing else in its place. */
  readonly isNamed: boolean;
  readonly found: readonly string[];
  readonly state:
    | { readonly kind: "healthy"; readonly capabilities: BackendCapabilities }
    | { readonly kind: "unhealthy" }
    | { readonly kind: "absent" };
};

type Identity = Omit<BackendDraft, "found" | "state">;

const CLASSIC_STORE =
  "it works in an engine with the classic image store, which exports no archives and few caches";
const DRIVERS = ["docker", "docker-container", "remote", "kubernetes"] as const;

/** Every way to build, in the order they are taken. */
export function draftBackends(survey: Survey, settings: BuildSettings): readonly BackendDraft[] {
  return [
    ...(survey.namedBuilder === undefined ? [] : [draftNamed(survey, survey.namedBuilder)]),
    draftRemote(survey, settings),
    draftEngine(survey, "engine"),
    draftEngineBuilder(survey),
    draftContainer(survey, settings),
    draftEngine(survey, "classic"),
  ];
}

function draftNamed(
  survey: Survey,
  { name, finding }: NonNullable<Survey["namedBuilder"]>,
): BackendDraft {
  const info = finding.kind === "found" ? finding.info : undefined;
  const driver = DRIVERS.find((known) => known === info?.driver);
  const identity: Identity = {
    name: "buildx",
    driver,
    builder: name,
    endpoint: info?.nodes[0]?.endpoint,
    choice: driver === "remote" || driver === "docker-container" ? driver : "buildx-docker",
    isNamed: true,
  };
  if (survey.buildx.kind === "absent") return unhealthy(identity, survey.buildx.reason);
  if (info !== undefined && driver === undefined) {
    return unhealthy(identity, `its driver ${info.driver || "is not told"} is unknown`);
  }
  return finding.kind === "absent"
    ? unhealthy(identity, "MOLECULE_BUILDER names a builder that is not there")
    : fromBuilder(identity, survey, finding);
}

function draftRemote(survey: Survey, settings: BuildSettings): BackendDraft {
  const { remote: probe, buildx } = survey;
  const identity: Identity = {
    name: "buildx",
    driver: "remote",
    builder: survey.remoteBuilderName,
    endpoint: settings.remote?.endpoint.address,
    choice: "remote",
    isNamed: settings.remote !== undefined,
  };
  if (settings.remote === undefined || probe === undefined) {
    return { ...identity, found: ["BUILDKIT_HOST is not set"], state: { kind: "absent" } };
  }
  if (probe.kind === "unhealthy") return unhealthy(identity, ...probe.reasons);
  if (buildx.kind === "absent") return unhealthy(identity, buildx.reason);
  const workers = probe.found;
  const tls = settings.remote.certDirectory === undefined ? "" : " with TLS";
  const words =
    workers === undefined
      ? "only buildx can reach it: whether it answers shows when it is first used"
      : `BuildKit ${workers[0]?.buildkitVersion ?? "older than 0.11"} answers${tls}`;
  return healthy(identity, survey, daemonOfWorkers(workers), words);
}

function draftEngine(survey: Survey, choice: "engine" | "classic"): BackendDraft {
  const { engine: probe, engineAddress } = survey;
  const name = choice === "engine" ? "buildkit" : "classic";
  const identity: Identity = {
    name,
    driver: undefined,
    builder: undefined,
    endpoint: engineAddress,
    choice,
    isNamed: false,
  };
  const lost = withoutEngine(identity, survey);
  if (lost !== undefined || probe.kind === "unhealthy") return lost ?? unhealthy(identity);
  const { version, buildkit, podman } = probe.found;
  const answers = `${podman ? "Podman" : "Docker"} ${version} answers`;
  if (choice === "engine" && !buildkit) {
    return { ...identity, found: [answers, "it has no BuildKit"], state: { kind: "absent" } };
  }
  const part = choice === "engine" ? "its own BuildKit, without buildx" : "its classic builder";
  const state = { kind: "healthy", capabilities: ENGINE_CAPABILITIES[name] } as const;
  return { ...identity, found: [answers, part], state };
}

function draftEngineBuilder(survey: Survey): BackendDraft {
  const { name, finding } = survey.engineBuilder;
  const identity: Identity = {
    name: "buildx",
    driver: "docker",
    builder: name,
    endpoint: survey.engineAddress,
    choice: "buildx-docker",
    isNamed: false,
  };
  const impossible = withoutBuildx(identity, survey) ?? withoutEngine(identity, survey);
  if (impossible !== undefined) return impossible;
  return finding.kind === "absent"
    ? unhealthy(identity, `buildx knows no builder ${name} for the engine`)
    : fromBuilder(identity, survey, finding);
}

function draftContainer(survey: Survey, settings: BuildSettings): BackendDraft {
  const { name, finding } = survey.containerBuilder;
  const identity: Identity = {
    name: "buildx",
    driver: "docker-container",
    builder: name,
    endpoint: survey.engineAddress,
    choice: "docker-container",
    isNamed: false,
  };
  const impossible = withoutBuildx(identity, survey) ?? withoutEngine(identity, survey);
  if (impossible !== undefined) return impossible;
  if (settings.dockerHost !== undefined && settings.dockerTlsVerify) {
    return unhealthy(
      identity,
      "buildx keeps no TLS variables with a builder: name the engine by a Docker context instead",
    );
  }
  if (finding.kind !== "absent") return fromBuilder(identity, survey, finding);
  const words = "the builder is made when it is first used, from the image of BuildKit";
  return healthy(identity, survey, { kind: "not started" }, words);
}

function unhealthy(identity: Identity, ...found: readonly string[]): BackendDraft {
  return { ...identity, found, state: { kind: "unhealthy" } };
}

function withoutBuildx(identity: Identity, { buildx }: Survey): BackendDraft | undefined {
  if (buildx.kind === "found") return undefined;
  return { ...identity, found: [buildx.reason], state: { kind: "absent" } };
}

function withoutEngine(
  identity: Identity,
  { engine, engineAddress }: Survey,
): BackendDraft | undefined {
  if (engine.kind === "healthy") return undefined;
  return engineAddress === undefined
    ? { ...identity, found: engine.reasons, state: { kind: "absent" } }
    : unhealthy(identity, ...engine.reasons);
}

function fromBuilder(
  identity: Identity,
  survey: Survey,
  finding: Exclude<BuilderFinding, { kind: "absent" }>,
): BackendDraft {
  if (finding.kind === "failed") return unhealthy(identity, finding.reason);
  const { info } = finding;
  const error = info.error ?? info.nodes.find((node) => node.error !== undefined)?.error;
  if (error !== undefined) return unhealthy(identity, error);
  const [node] = info.nodes;
  const status = `the builder is ${node?.status || "there"}`;
  const version = node?.buildkitVersion;
  const words = version === undefined ? status : `${status}, BuildKit ${version}`;
  return healthy(identity, survey, daemonOfBuilder(info), words);
}

function healthy(
  identity: Identity,
  survey: Survey,
  daemon: DaemonFacts,
  words: string,
): BackendDraft {
  const { buildx, engine } = survey;
  if (buildx.kind === "absent") return unhealthy(identity, buildx.reason);
  const driver: BuilderDriver = identity.driver ?? "docker";
  const capabilities = buildxCapabilities({
    driver,
    buildxVersion: buildx.version,
    daemon,
    hasEngine: engine.kind === "healthy",
  });
  const program = `buildx ${buildx.version.version} (${buildx.program})`;
  const isPoor = daemon.kind === "running" && !daemon.hasContentStore;
  const found = [words, program, ...(isPoor ? [CLASSIC_STORE] : [])];
  return { ...identity, found, state: { kind: "healthy", capabilities } };
}
