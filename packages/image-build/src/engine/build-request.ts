import { posix } from "node:path";
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
    platform: options.platform,
    target: options.target,
    labels: jsonOf(options.labels),
    buildargs: jsonOf(options.buildArgs),
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

function jsonOf(values: Readonly<Record<string, string>> | undefined): string | undefined {
  return values === undefined || Object.keys(values).length === 0
    ? undefined
    : JSON.stringify(values);
}
