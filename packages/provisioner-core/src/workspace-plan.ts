import type { HostConfig, Tier } from "@molecule-ai/host-config";

export interface PlannedVolume {
  readonly name: string;
  readonly role: "configs" | "workspace" | "sessions" | "secrets" | "state";
  readonly path: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** How a seeded file is to be; contents are left out when a plan is printed. */
export interface PlannedFile {
  /** Absolute path inside the workspace. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly sizeBytes: number;
  readonly origin: "template" | "config" | "token" | "secrets";
}

/**
 * Everything that will be done to bring one workspace up, as data: printable, comparable, and made
 * without touching engine or network. Values of secrets are not in it.
 */
export interface WorkspacePlan {
  readonly id: string;
  readonly name: string;
  readonly runtime: string;
  /** The tier really applied. */
  readonly tier: Tier;
  readonly container: {
    readonly name: string;
    readonly image: string;
    readonly platform: string | undefined;
    readonly labels: Readonly<Record<string, string>>;
    /** `NAME=value` in the order they are given; later entries win. */
    readonly env: readonly string[];
    readonly networkAlias: string | undefined;
    readonly hostConfig: HostConfig;
  };
  readonly network:
    { readonly name: string; readonly labels: Readonly<Record<string, string>> } | undefined;
  readonly volumes: readonly PlannedVolume[];
  readonly files: readonly PlannedFile[];
  readonly secretNames: readonly string[];
  /** Port the agent listens on inside the workspace. */
  readonly agentPort: number;
  readonly internalUrl: string;
}
