import type { Warning } from "@molecule-ai/core";
import { HostConfigError } from "./errors.js";
import type { HostConfig } from "./host-config.js";

/** What is asked of an engine before a workspace is created on it. */
export interface EngineCapacity {
  readonly cpus: number;
  /** Names of its OCI runtimes. */
  readonly runtimes: readonly string[];
}

export interface FittedHostConfig {
  readonly hostConfig: HostConfig;
  readonly warnings: readonly Warning[];
}

/**
 * The same permissions as this engine can give them: an engine refuses more CPUs than it has, so the
 * limit comes down to that, with a warning. Throws `ERR_HOST_CONFIG_RUNTIME_MISSING`.
 */
export function fitToEngine(hostConfig: HostConfig, engine: EngineCapacity): FittedHostConfig {
  assertRuntimeAvailable(hostConfig.Runtime, engine.runtimes);
  const most = engine.cpus * 1e9;
  const wanted = hostConfig.NanoCpus;
  if (wanted === undefined || most <= 0 || wanted <= most) return { hostConfig, warnings: [] };
  const message = `The engine has ${engine.cpus} CPUs; the workspace is limited to them instead of ${wanted / 1e9}.`;
  return {
    hostConfig: { ...hostConfig, NanoCpus: most },
    warnings: [{ type: "warning", code: "WARN_TIER_CPUS_LOWERED", message }],
  };
}

/** Throws `ERR_HOST_CONFIG_RUNTIME_MISSING` when `runtime` is named and the engine does not have it. */
export function assertRuntimeAvailable(
  runtime: string | undefined,
  engineRuntimes: readonly string[],
): void {
  if (runtime === undefined || engineRuntimes.includes(runtime)) return;
  throw new HostConfigError(
    "ERR_HOST_CONFIG_RUNTIME_MISSING",
    `The engine has no OCI runtime "${runtime}".`,
    {
      hint: `Add it to the engine's daemon.json, or change TIERn_RUNTIME to one of: ${[...engineRuntimes].sort().join(", ")}.`,
      details: { runtime, available: engineRuntimes },
    },
  );
}
