import { parseBind } from "./bind.js";
import type { HostConfig } from "./host-config.js";
import { SANDBOX_CAPABILITIES, SANDBOX_ENVIRONMENT, SANDBOX_TMPFS } from "./sandbox.js";
import type { TierLimits } from "./tier-limits.js";
import type { Tier } from "./tier.js";

/** Mounts by what they are for, each `source:target[:ro]`. */
export interface WorkspaceBinds {
  readonly configs: string;
  readonly workspace?: string | undefined;
  readonly sessions?: string | undefined;
  readonly state?: string | undefined;
  /** The only one, beside configs, that tier 1 keeps. */
  readonly secrets?: string | undefined;
}

export interface TierHostConfigOptions {
  readonly tier: Tier;
  readonly limits: TierLimits;
  readonly binds: WorkspaceBinds;
  /** Network the workspace joins, on all tiers but 4. */
  readonly networkName: string;
  /** Port the agent listens on; default 8000. */
  readonly agentPort?: number | undefined;
  /** The engine's socket on its host, for tier 4; default `/var/run/docker.sock`. */
  readonly dockerSocketPath?: string | undefined;
}

const DOCKER_SOCKET = "/var/run/docker.sock";

/**
 * What a workspace of `tier` may do, as the engine wants it. Tier 4 has the host's network, hence
 * neither a network of its own nor published ports: give its container no endpoint.
 */
export function tierHostConfig(options: TierHostConfigOptions): HostConfig {
  const { tier, binds } = options;
  const limit = options.limits[tier];
  const { configs, workspace, sessions, state, secrets } = binds;
  const all = [configs, workspace, sessions, state, secrets].filter(isPresent);
  const common = {
    RestartPolicy: { Name: "unless-stopped" },
    // Linux engines do not know this name by themselves, and the platform's default URL uses it.
    ExtraHosts: ["host.docker.internal:host-gateway"],
    Memory: limit.memoryBytes,
    NanoCpus: limit.nanoCpus,
    ...(limit.pidsLimit === undefined ? {} : { PidsLimit: limit.pidsLimit }),
    ...(limit.runtime === undefined ? {} : { Runtime: limit.runtime }),
  } as const;
  const bridged = {
    NetworkMode: options.networkName,
    PortBindings: { [`${options.agentPort ?? 8000}/tcp`]: [{ HostIp: "127.0.0.1", HostPort: "" }] },
  } as const;

  switch (tier) {
    case 1: {
      const kept = [configs, secrets].filter(isPresent);
      return {
        Binds: kept,
        ...common,
        ...bridged,
        Init: true,
        ReadonlyRootfs: true,
        Tmpfs: withoutTargets(SANDBOX_TMPFS, kept),
        CapDrop: ["ALL"],
        CapAdd: SANDBOX_CAPABILITIES,
        SecurityOpt: ["no-new-privileges"],
      };
    }
    case 2:
      return {
        Binds: all,
        ...common,
        ...bridged,
        Init: true,
        SecurityOpt: ["no-new-privileges"],
      };
    // With the host's processes the engine leaves Init out: there is no process 1 to be.
    case 3:
      return { Binds: all, ...common, ...bridged, Privileged: true, PidMode: "host" };
    case 4:
      return {
        Binds: [...all, `${options.dockerSocketPath ?? DOCKER_SOCKET}:${DOCKER_SOCKET}`],
        ...common,
        NetworkMode: "host",
        Privileged: true,
        PidMode: "host",
      };
    default:
      return tier satisfies never;
  }
}

/** Environment a tier needs to work; whatever the user sets goes before it. */
export function tierEnvironment(tier: Tier): Readonly<Record<string, string>> {
  return tier === 1 ? SANDBOX_ENVIRONMENT : {};
}

/** False for tier 1, whose `/workspace` is memory: a host directory asked for would not be there. */
export function mountsWorkspace(tier: Tier): boolean {
  return tier !== 1;
}

function isPresent(bind: string | undefined): bind is string {
  return bind !== undefined;
}

// The engine refuses two mounts at one path.
function withoutTargets(
  tmpfs: Readonly<Record<string, string>>,
  binds: readonly string[],
): Readonly<Record<string, string>> {
  const targets = new Set(binds.map((bind) => parseBind(bind).target));
  return Object.fromEntries(Object.entries(tmpfs).filter(([path]) => !targets.has(path)));
}
