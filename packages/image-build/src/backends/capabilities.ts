import { coerce, type SemVer } from "semver";
import type { BuilderInfo } from "../builders/builder-info.js";
import type { BackendCapabilities, BuilderDriver } from "./backend.js";
import { hasContentStore, type BuildkitWorker } from "./buildkit-workers.js";

/** What is known of the daemon behind a builder. */
export type DaemonFacts =
  /** It does not run yet, or only buildx can reach it: taken for a current one until it has started. */
  | { readonly kind: "not started" }
  | {
      readonly kind: "running";
      /** Undefined for one that does not say: before BuildKit 0.11. */
      readonly buildkitVersion: string | undefined;
      readonly hasContentStore: boolean;
    };

export interface BuilderFacts {
  readonly driver: BuilderDriver;
  readonly buildxVersion: SemVer;
  readonly daemon: DaemonFacts;
  /** There is an engine that an image can be loaded into. */
  readonly hasEngine: boolean;
}

/**
 * What a builder of buildx can do. Versions by the first release that has it:
 * attestations: https://github.com/docker/buildx/blob/v0.10.0/commands/build.go and
 * https://github.com/moby/buildkit/tree/v0.11.0/exporter/containerimage;
 * annotations: buildx v0.12.0, the exporter as above;
 * named contexts: https://github.com/moby/buildkit/blob/v0.10.0/frontend/dockerfile/builder/build.go;
 * rewriting of times: https://github.com/moby/buildkit/blob/v0.13.0/exporter/containerimage/exptypes/keys.go;
 * `--check`: buildx v0.15.0, https://github.com/moby/buildkit/tree/v0.14.0/frontend/subrequests/lint.
 */
export function buildxCapabilities(facts: BuilderFacts): BackendCapabilities {
  const { driver, daemon, hasEngine } = facts;
  const buildx = (version: string): boolean => facts.buildxVersion.compareMain(version) >= 0;
  const buildkit = (version: string): boolean =>
    daemon.kind === "not started" || (coerce(daemon.buildkitVersion)?.compare(version) ?? -1) >= 0;
  // The BuildKit inside an engine with the classic store exports images into that store, and nothing
  // else: https://github.com/docker/buildx/blob/v0.13.1/driver/docker/driver.go#L68
  const stores = daemon.kind === "not started" || daemon.hasContentStore;
  const isEngine = driver === "docker";
  return {
    load: isEngine || (stores && hasEngine),
    push: isEngine || stores,
    multiPlatform: !isEngine || stores,
    // Elsewhere the archive that is loaded holds one platform.
    multiPlatformLoad: isEngine && stores,
    cacheImports: ["registry", "local", ...(stores ? remoteCaches(isEngine) : [])],
    cacheExports: ["inline", ...(stores ? ["registry", "local", ...remoteCaches(isEngine)] : [])],
    secrets: true,
    ssh: true,
    attestations: stores && buildx("0.10.0") && buildkit("0.11.0"),
    annotations: stores && buildx("0.12.0") && buildkit("0.11.0"),
    ociLayout: stores,
    directoryOutput: true,
    gitContext: true,
    tarContext: true,
    namedContexts: buildx("0.8.0") && buildkit("0.10.0"),
    rewriteTimestamps: stores && buildkit("0.13.0"),
    check: buildx("0.15.0") && buildkit("0.14.0"),
  };
}

/** https://docs.docker.com/build/cache/backends/: the docker driver has fewer. */
function remoteCaches(isEngine: boolean): readonly string[] {
  return isEngine ? ["gha"] : ["gha", "s3", "azblob"];
}

/** Facts from a daemon that was asked itself. */
export function daemonOfWorkers(workers: readonly BuildkitWorker[] | undefined): DaemonFacts {
  if (workers === undefined) return { kind: "not started" };
  return {
    kind: "running",
    buildkitVersion: oldest(workers.map((worker) => worker.buildkitVersion)),
    hasContentStore: workers.every(({ labels }) => hasContentStore(labels)),
  };
}

/** Facts from what buildx says; a node that does not run tells nothing. */
export function daemonOfBuilder(builder: BuilderInfo | undefined): DaemonFacts {
  const nodes = builder?.nodes ?? [];
  if (nodes.length === 0 || nodes.some(({ status }) => status !== "running")) {
    return { kind: "not started" };
  }
  return {
    kind: "running",
    buildkitVersion: oldest(nodes.map((node) => node.buildkitVersion)),
    hasContentStore: nodes.every(({ labels }) => hasContentStore(labels)),
  };
}

/** A build may land on any of them; one that does not say its version is the oldest. */
function oldest(versions: readonly (string | undefined)[]): string | undefined {
  return versions.reduce((a, b) => {
    const [first, second] = [coerce(a), coerce(b)];
    if (first === null || second === null) return undefined;
    return first.compare(second) <= 0 ? a : b;
  });
}
