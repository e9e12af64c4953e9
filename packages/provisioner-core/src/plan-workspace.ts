import { LABELS } from "@molecule-ai/core";
import {
  mountsWorkspace,
  normaliseTier,
  tierEnvironment,
  tierHostConfig,
  volumeBind,
  workspaceMount,
  workspaceVolumeName,
  type HostConfig,
  type Tier,
} from "@molecule-ai/host-config";
import { selectImage, type ResolvedImage } from "@molecule-ai/registry-mode";
import { AUTH_TOKEN_NAME, validateConfigFiles } from "./config-files.js";
import { readAgentPort } from "./config-yaml.js";
import { buildEnvironment, validateEnvironment } from "./environment.js";
import { WorkspaceError } from "./errors.js";
import {
  claudeSessionVolumeName,
  configVolumeName,
  containerName,
  DEFAULT_AGENT_PORT,
  internalUrl,
  secretsVolumeName,
  stateVolumeName,
  validateWorkspaceId,
} from "./names.js";
import { formatSecretFile, SECRETS_FILE, SECRETS_MOUNT } from "./secret-file.js";
import type { PlanSettings } from "./settings.js";
import type { Template } from "./template.js";
import type { PlannedFile, PlannedVolume, WorkspacePlan } from "./workspace-plan.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

/** What is known beyond the spec by the time a plan is applied. */
export interface PlanInputs {
  readonly image?: ResolvedImage | undefined;
  /** The template that will be copied into `/configs`. */
  readonly template?: Template | undefined;
  /** Overrides `a2a.port` of config.yaml; for a workspace whose config.yaml is in its volume. */
  readonly agentPort?: number | undefined;
}

/**
 * Decides all of a workspace that can be decided without engine and network. Throws a typed error
 * for everything in `spec` that is refused; see the errors table of the README.
 *
 * Planned files belong to uid 0, which stands for the user the image starts as.
 */
export function planWorkspace(
  spec: WorkspaceSpec,
  settings: PlanSettings,
  inputs: PlanInputs = {},
): WorkspacePlan {
  validateSpec(spec);
  const tier = normaliseTier(spec.tier);
  const name = spec.name ?? spec.id;
  const agentPort = inputs.agentPort ?? findAgentPort(spec, inputs.template);
  const mounts = planMounts(spec, settings, tier);
  const installLabels = { [LABELS.managed]: "true", [LABELS.install]: settings.installId };
  const labels = {
    ...installLabels,
    [LABELS.workspace]: spec.id,
    [LABELS.name]: name,
    [LABELS.runtime]: spec.runtime,
    [LABELS.tier]: String(tier),
    ...(isGiven(spec.ref) ? { [LABELS.ref]: spec.ref } : {}),
    ...(isGiven(spec.image) ? { [LABELS.image]: spec.image } : {}),
    ...(agentPort === DEFAULT_AGENT_PORT ? {} : { [LABELS.agentPort]: String(agentPort) }),
  };
  const onHostNetwork = tier === 4;
  return {
    id: spec.id,
    name,
    runtime: spec.runtime,
    tier,
    container: {
      name: containerName(spec.id),
      image:
        inputs.image?.ref ?? selectImage({ ...settings, runtime: spec.runtime, image: spec.image }),
      platform: inputs.image === undefined ? settings.platform : inputs.image.platform,
      labels,
      env: planEnvironment(spec, settings, tier),
      networkAlias: onHostNetwork ? undefined : containerName(spec.id),
      hostConfig: planHostConfig(settings, tier, mounts, agentPort),
    },
    network: onHostNetwork
      ? undefined
      : { name: settings.networkName, labels: { ...installLabels, [LABELS.role]: "network" } },
    volumes: mounts.volumes.map((volume) => ({
      ...volume,
      labels: {
        ...installLabels,
        [LABELS.workspace]: spec.id,
        [LABELS.role]: volume.role,
      },
    })),
    files: planFiles(spec, inputs.template),
    secretNames: Object.keys(spec.secrets ?? {}),
    agentPort,
    internalUrl: onHostNetwork
      ? `http://host.docker.internal:${agentPort}`
      : internalUrl(spec.id, agentPort),
  };
}

function validateSpec(spec: WorkspaceSpec): void {
  validateWorkspaceId(spec.id);
  // oxlint-disable-next-line no-control-regex
  if (spec.name !== undefined && !/^[^\u0000-\u001f\u007f]{1,255}$/.test(spec.name)) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_NAME_INVALID",
      `${JSON.stringify(spec.name.slice(0, 80))} cannot be the name of a workspace.`,
      { hint: "Use 1 to 255 characters on one line." },
    );
  }
  validateEnvironment(spec);
  validateConfigFiles(spec.configFiles ?? {});
  if (spec.authToken !== undefined && !/^[!-~]{1,4096}$/.test(spec.authToken)) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_TOKEN_INVALID",
      "The workspace token is empty, longer than 4096 characters or has a blank or control character.",
      { hint: "A token is one line of printable ASCII." },
    );
  }
}

interface PlannedMounts {
  readonly volumes: readonly Omit<PlannedVolume, "labels">[];
  readonly workspaceBind: string | undefined;
}

function planMounts(spec: WorkspaceSpec, settings: PlanSettings, tier: Tier): PlannedMounts {
  const { id } = spec;
  const volumes: Omit<PlannedVolume, "labels">[] = [
    { name: configVolumeName(id), role: "configs", path: "/configs" },
  ];
  // Validated on every tier, so that a refused path is refused before anybody changes the tier.
  const workspace = workspaceMount({
    id,
    path: spec.workspacePath,
    access: spec.workspaceAccess,
    socketPaths: settings.socketPaths,
  });
  // Tier 1 has memory in these places: what a sandboxed workspace writes does not outlive it.
  if (mountsWorkspace(tier)) {
    if (workspace.kind === "volume") {
      volumes.push({ name: workspaceVolumeName(id), role: "workspace", path: "/workspace" });
    }
    if (spec.runtime === "claude-code") {
      const name = claudeSessionVolumeName(id);
      volumes.push({ name, role: "sessions", path: "/root/.claude/sessions" });
    }
    const statePath = settings.statePaths[spec.runtime];
    if (statePath !== undefined) {
      volumes.push({ name: stateVolumeName(id), role: "state", path: statePath });
    }
  }
  if (Object.keys(spec.secrets ?? {}).length > 0) {
    volumes.push({ name: secretsVolumeName(id), role: "secrets", path: SECRETS_MOUNT });
  }
  return { volumes, workspaceBind: workspace.bind };
}

function planHostConfig(
  settings: PlanSettings,
  tier: Tier,
  mounts: PlannedMounts,
  agentPort: number,
): HostConfig {
  const bindOf = (role: PlannedVolume["role"]): string | undefined => {
    const volume = mounts.volumes.find((candidate) => candidate.role === role);
    return volume === undefined ? undefined : volumeBind(volume.name, volume.path);
  };
  const hostConfig = tierHostConfig({
    tier,
    limits: settings.limits,
    binds: {
      configs: bindOf("configs") ?? "",
      workspace: mounts.workspaceBind,
      sessions: bindOf("sessions"),
      state: bindOf("state"),
      secrets: bindOf("secrets"),
    },
    networkName: settings.networkName,
    agentPort,
    dockerSocketPath: settings.dockerSocketPath,
  });
  if (hostConfig.PortBindings === undefined || settings.publishAddress === "127.0.0.1") {
    return hostConfig;
  }
  const binding = [{ HostIp: settings.publishAddress, HostPort: "" }];
  return { ...hostConfig, PortBindings: { [`${agentPort}/tcp`]: binding } };
}

function planEnvironment(
  spec: WorkspaceSpec,
  settings: PlanSettings,
  tier: Tier,
): readonly string[] {
  return buildEnvironment({
    id: spec.id,
    tier,
    platformUrl: spec.platformUrl ?? settings.platformUrl,
    awarenessUrl: spec.awarenessUrl ?? settings.awarenessUrl,
    awarenessNamespace: spec.awarenessNamespace,
    tierEnvironment: tierEnvironment(tier),
    user: spec.env ?? {},
  });
}

function planFiles(spec: WorkspaceSpec, template: Template | undefined): readonly PlannedFile[] {
  const files = new Map<string, PlannedFile>();
  const add = (path: string, file: Pick<PlannedFile, "mode" | "sizeBytes" | "origin">): void => {
    files.set(path, { path, uid: 0, gid: 0, ...file });
  };
  for (const entry of template?.entries ?? []) {
    if (entry.kind !== "file" || entry.name === AUTH_TOKEN_NAME) continue;
    const { mode, sizeBytes } = entry;
    add(`/configs/${entry.name}`, { mode, sizeBytes, origin: "template" });
  }
  for (const [name, content] of Object.entries(spec.configFiles ?? {})) {
    add(`/configs/${name}`, { mode: 0o644, sizeBytes: content.byteLength, origin: "config" });
  }
  if (spec.authToken !== undefined) {
    const sizeBytes = Buffer.byteLength(spec.authToken);
    add(`/configs/${AUTH_TOKEN_NAME}`, { mode: 0o600, sizeBytes, origin: "token" });
  }
  const secrets = formatSecretFile(spec.secrets ?? {});
  if (secrets !== "") {
    add(SECRETS_FILE, { mode: 0o400, sizeBytes: Buffer.byteLength(secrets), origin: "secrets" });
  }
  return [...files.values()];
}

function findAgentPort(spec: WorkspaceSpec, template: Template | undefined): number {
  const configYaml = spec.configFiles?.["config.yaml"] ?? template?.configYaml;
  return configYaml === undefined ? DEFAULT_AGENT_PORT : readAgentPort(configYaml);
}

function isGiven(text: string | undefined): text is string {
  return text !== undefined && text !== "";
}
