import type { DockerEngine } from "@molecule-ai/docker-engine";
import { tierLimitsFromEnv, TIERS } from "@molecule-ai/host-config";
import { provisionerSettingsFromEnv } from "@molecule-ai/provisioner-core";
import type { Environment } from "../config.js";
import { formatBytes } from "../output/quantity.js";
import { ok, type Check } from "./check.js";
import type { ClockReading } from "./clock.js";

export async function checkEngine(engine: DockerEngine, signal: AbortSignal): Promise<Check> {
  const info = await engine.info({ signal });
  const product = info.podman ? "Podman" : "Docker";
  const rootless = info.rootless ? ", rootless" : "";
  return ok(
    "engine",
    `${product} ${info.version} (API ${info.apiVersion}, ${info.os}/${info.arch}${rootless}) at ${engine.endpoint.address}, from ${engine.endpoint.origin}; ${info.cpus} CPUs, ${formatBytes(info.memoryBytes)}`,
  );
}

export async function checkBuilder(engine: DockerEngine, signal: AbortSignal): Promise<Check> {
  const info = await engine.info({ signal });
  if (info.buildkit) return ok("builder", "the engine's own BuildKit");
  return {
    name: "builder",
    status: "warning",
    message: "the engine has no BuildKit; its classic builder is used",
    remedy: "Use a newer Docker engine: builds get faster and say more when they fail.",
  };
}

/** The network all workspaces are on, and the OCI runtimes that tiers ask for. */
export async function checkNetwork(
  engine: DockerEngine,
  env: Environment,
  signal: AbortSignal,
): Promise<Check> {
  const { networkName } = provisionerSettingsFromEnv(env);
  const network = await engine.networks.inspect(networkName, { signal });
  if (network === undefined) return ok("network", `${networkName} is created at the first up`);
  if (network.driver === "bridge" || network.driver === "overlay") {
    return ok("network", `${networkName}, ${network.containers.length} containers on it`);
  }
  return {
    name: "network",
    status: "failed",
    message: `${networkName} is a ${network.driver} network, on which agents cannot be published`,
    remedy: `Remove it with docker network rm ${networkName}, or choose another with MOLECULE_NETWORK.`,
  };
}

export async function checkRuntimes(
  engine: DockerEngine,
  env: Environment,
  signal: AbortSignal,
): Promise<Check> {
  const { limits, warnings } = tierLimitsFromEnv(env);
  const { runtimes } = await engine.info({ signal });
  const missing = TIERS.filter((tier) => {
    const { runtime } = limits[tier];
    return runtime !== undefined && !runtimes.includes(runtime);
  });
  if (missing.length > 0) {
    return {
      name: "tiers",
      status: "failed",
      message: missing
        .map((tier) => `the engine has no runtime ${limits[tier].runtime ?? ""} for tier ${tier}`)
        .join("; "),
      remedy: `Install it in the engine, or unset ${missing.map((tier) => `TIER${tier}_RUNTIME`).join(" and ")}; the engine has ${runtimes.join(", ")}.`,
    };
  }
  const [first] = warnings;
  if (first === undefined) return ok("tiers", "limits and runtimes fit this engine");
  return { name: "tiers", status: "warning", message: first.message, remedy: first.hint };
}

/** The engine's time of day, from the date of any answer. */
export async function readEngineClock(
  engine: DockerEngine,
  now: () => number,
  signal: AbortSignal,
): Promise<ClockReading | undefined> {
  const response = await engine.request({
    method: "GET",
    path: "/_ping",
    subject: "the engine's clock",
    signal,
  });
  response.body.resume();
  const date = Date.parse(response.headers["date"] ?? "");
  return Number.isNaN(date) ? undefined : { who: "the engine", theirs: date, ours: now() };
}
