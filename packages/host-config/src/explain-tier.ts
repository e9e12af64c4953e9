import type { HostConfig } from "./host-config.js";
import { tierHostConfig } from "./tier-host-config.js";
import type { TierLimits } from "./tier-limits.js";
import type { Tier } from "./tier.js";

/** One line of a tier's description. */
export interface TierExplanation {
  /** The engine's word. */
  readonly field: keyof HostConfig;
  readonly value: string;
  /** One sentence for people. */
  readonly meaning: string;
}

/**
 * What `tier` grants, row by row; the same rows in the same order for every tier, read off the very
 * HostConfig that would be used.
 */
export function explainTier(tier: Tier, limits: TierLimits): readonly TierExplanation[] {
  const hostConfig = tierHostConfig({
    tier,
    limits,
    binds: {
      configs: "configs:/configs",
      workspace: "workspace:/workspace",
      sessions: "sessions:/root/.claude/sessions",
    },
    networkName: "the workspace network",
  });
  return ROWS.map(([field, explain]) => ({ field, ...explain(hostConfig) }));
}

type Explained = Pick<TierExplanation, "value" | "meaning">;
type Row = readonly [keyof HostConfig, (hostConfig: HostConfig) => Explained];

const ROWS: readonly Row[] = [
  [
    "Binds",
    ({ Binds }) => {
      const value = Binds.map((bind) => bind.split(":")[1]).join(" ");
      if (Binds.some((bind) => bind.includes("docker.sock"))) {
        return {
          value,
          meaning: "Its volumes and the engine's socket: it can start any container on this host.",
        };
      }
      return Binds.length > 1
        ? {
            value,
            meaning: "Its own volumes, and a host directory at /workspace when one was given.",
          }
        : {
            value,
            meaning: "The config volume alone; /workspace is memory and gone after a stop.",
          };
    },
  ],
  [
    "ReadonlyRootfs",
    ({ ReadonlyRootfs }) =>
      ReadonlyRootfs === true
        ? { value: "yes", meaning: "The image cannot be changed at run time." }
        : { value: "no", meaning: "It may change every file of its image's copy." },
  ],
  [
    "Tmpfs",
    ({ Tmpfs }) =>
      Tmpfs === undefined
        ? { value: "-", meaning: "No memory file systems." }
        : {
            value: Object.keys(Tmpfs).join(" "),
            meaning: "It may write here; kept in memory, counted as memory, gone after a stop.",
          },
  ],
  [
    "Privileged",
    ({ Privileged }) =>
      Privileged === true
        ? {
            value: "yes",
            meaning: "All devices and kernel rights: root in it is root on the host.",
          }
        : { value: "no", meaning: "No devices of the host." },
  ],
  [
    "CapAdd",
    ({ CapAdd, Privileged }) => {
      if (Privileged === true) return { value: "all", meaning: "Every right of root." };
      return CapAdd === undefined
        ? {
            value: "engine default",
            meaning: "The rights of root that the engine leaves to any container.",
          }
        : {
            value: CapAdd.join(" "),
            meaning: "Only the rights an entrypoint needs to hand files over and drop root.",
          };
    },
  ],
  [
    "SecurityOpt",
    ({ SecurityOpt }) =>
      SecurityOpt === undefined
        ? { value: "-", meaning: "Programs such as sudo can gain rights." }
        : {
            value: SecurityOpt.join(" "),
            meaning: "No program can gain rights it was not started with.",
          },
  ],
  [
    "PidMode",
    ({ PidMode }) =>
      PidMode === "host"
        ? { value: "host", meaning: "It sees and may stop every process of the host." }
        : { value: "private", meaning: "It sees its own processes only." },
  ],
  [
    "NetworkMode",
    ({ NetworkMode }) =>
      NetworkMode === "host"
        ? {
            value: "host",
            meaning: "It uses the host's network, with all that listens on localhost.",
          }
        : {
            value: "workspace network",
            meaning: "It reaches the other workspaces, the host's gateway and the internet.",
          },
  ],
  [
    "PortBindings",
    ({ PortBindings }) =>
      PortBindings === undefined
        ? { value: "-", meaning: "Nothing is published: its ports are the host's ports." }
        : {
            value: Object.keys(PortBindings).join(" "),
            meaning: "The agent's port, at a free port of 127.0.0.1.",
          },
  ],
  [
    "ExtraHosts",
    ({ ExtraHosts }) => ({
      value: ExtraHosts.join(" "),
      meaning: "The name under which it finds the host.",
    }),
  ],
  [
    "Memory",
    ({ Memory }) =>
      Memory === undefined
        ? { value: "unlimited", meaning: "All memory of the host." }
        : {
            value: `${Memory / 1024 ** 2} MiB`,
            meaning: "Past it, and as much swap again, the kernel ends a process of it.",
          },
  ],
  [
    "NanoCpus",
    ({ NanoCpus }) =>
      NanoCpus === undefined
        ? { value: "unlimited", meaning: "All processors of the host." }
        : {
            value: `${NanoCpus / 1e9} CPU`,
            meaning: "Past it, it is slowed down; never more than the engine has.",
          },
  ],
  [
    "PidsLimit",
    ({ PidsLimit }) =>
      PidsLimit === undefined
        ? { value: "unlimited", meaning: "As many processes as the host allows." }
        : {
            value: String(PidsLimit),
            meaning: "Processes and threads together; past it, none can be started.",
          },
  ],
  [
    "Init",
    ({ Init }) =>
      Init === true
        ? { value: "yes", meaning: "An init ends orphaned processes and passes signals on." }
        : { value: "no", meaning: "The host's init takes orphaned processes." },
  ],
  [
    "RestartPolicy",
    ({ RestartPolicy }) => ({
      value: RestartPolicy.Name,
      meaning: "The engine starts it again until it is stopped on purpose.",
    }),
  ],
  [
    "Runtime",
    ({ Runtime }) =>
      Runtime === undefined
        ? { value: "engine default", meaning: "The OCI runtime the engine uses by itself." }
        : { value: Runtime, meaning: "The OCI runtime chosen for this tier." },
  ],
];
