import { posix } from "node:path";
import { platformsOf } from "../backends/requirements.js";
import type { BuildOptions } from "../image-builder.js";
import type { ResolvedBuildLimits } from "../options.js";

export interface BuildRequestOptions {
  readonly options: BuildOptions;
  readonly limits: ResolvedBuildLimits;
  readonly backend: "buildkit" | "classic";
  /** Path of the Dockerfile inside the context. */
  readonly dockerfile: string;
  readonly buildId: string;
  /** The engine has the newest of every base already. */
  readonly pulled: boolean;
}

const CPU_PERIOD_US = 100_000;

/**
 * The query of `POST /build`. Tags are not in it: the image gets them from us once nothing can
 * cancel the build any more, so that an abort at the last moment tags nothing.
 */
export function planBuildQuery(request: BuildRequestOptions): Record<string, string | undefined> {
  const { options, limits, backend } = request;
  const memory = limits.memoryBytes === undefined ? undefined : String(limits.memoryBytes);
  const quota =
    limits.cpus === undefined ? undefined : String(Math.round(limits.cpus * CPU_PERIOD_US));
  return {
    version: backend === "buildkit" ? "2" : "1",
    buildid: backend === "buildkit" ? request.buildId : undefined,
    dockerfile: posix.normalize(request.dockerfile),
    platform: platformsOf(options)[0],
    target: options.target,
    labels: jsonOf(options.labels),
    buildargs: jsonOf(buildArgsOf(options)),
    cachefrom: cacheFrom(options),
    nocache: options.noCache === true ? "1" : undefined,
    pull: options.pull === true && !request.pulled ? "1" : undefined,
    // The classic builder leaves a container per step, and the failed one, unless told not to.
    rm: "1",
    forcerm: "1",
    memory,
    memswap: memory,
    cpuperiod: quota === undefined ? undefined : String(CPU_PERIOD_US),
    cpuquota: quota,
  };
}

function buildArgsOf(options: BuildOptions): Readonly<Record<string, string>> {
  return {
    ...(options.rewriteTimestamps === true
      ? { SOURCE_DATE_EPOCH: String(options.sourceDateEpoch ?? 0) }
      : {}),
    ...options.buildArgs,
    ...(exportsInline(options) ? { BUILDKIT_INLINE_CACHE: "1" } : {}),
  };
}

/**
 * The only cache that the engine's BuildKit exports is inside the image; it is asked for like this.
 * For a registry the image is pushed with it.
 */
function exportsInline({ cache }: BuildOptions): boolean {
  return cache?.exports.some(({ type }) => type === "inline" || type === "registry") === true;
}

function cacheFrom({ cache }: BuildOptions): string | undefined {
  const refs = (cache?.imports ?? []).map(({ ref }) => ref);
  return refs.length === 0 ? undefined : JSON.stringify(refs);
}

function jsonOf(values: Readonly<Record<string, string>> | undefined): string | undefined {
  return values === undefined || Object.keys(values).length === 0
    ? undefined
    : JSON.stringify(values);
}
