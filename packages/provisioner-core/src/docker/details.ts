import { LABELS, stripControlCharacters } from "@molecule-ai/core";
import type { ContainerInfo, ContainerSummary, EngineEndpoint } from "@molecule-ai/docker-engine";
import { DEFAULT_AGENT_PORT } from "../names.js";
import type { WorkspaceDetails, WorkspaceSummary } from "../workspace-backend.js";
import { hostAddress, publishedAddress, type PublishedAddress } from "./address.js";

type Labels = Readonly<Record<string, string>>;

/** Port the agent listens on inside the workspace. */
export function agentPortOf(labels: Labels): number {
  const port = Number(labels[LABELS.agentPort]);
  return Number.isInteger(port) && port > 0 ? port : DEFAULT_AGENT_PORT;
}

/** Where the agent of a container is reached; undefined while nothing is published. */
export function addressOf(
  endpoint: EngineEndpoint,
  container: Pick<ContainerInfo, "labels" | "ports" | "state">,
): PublishedAddress | undefined {
  const { labels, ports, state } = container;
  const port = agentPortOf(labels);
  if (labels[LABELS.tier] === "4") return state.running ? hostAddress(endpoint, port) : undefined;
  const [binding] = ports[`${port}/tcp`] ?? [];
  return binding === undefined ? undefined : publishedAddress(endpoint, binding);
}

export function toSummary(endpoint: EngineEndpoint, container: ContainerSummary): WorkspaceSummary {
  const { labels } = container;
  const port = agentPortOf(labels);
  const binding = container.ports.find((published) => published.container === `${port}/tcp`);
  const onHost = labels[LABELS.tier] === "4" && container.status === "running";
  const address = onHost
    ? hostAddress(endpoint, port)
    : binding && publishedAddress(endpoint, binding);
  return {
    ...describe(labels),
    status: container.status,
    url: address?.url,
    image: container.image,
    createdAt: container.createdAt,
  };
}

export function toDetails(endpoint: EngineEndpoint, container: ContainerInfo): WorkspaceDetails {
  const { labels, state } = container;
  const hasEnded = state.finishedAt !== undefined && !state.running;
  return {
    ...describe(labels),
    status: state.status,
    url: addressOf(endpoint, container)?.url,
    image: container.imageRef,
    createdAt: container.createdAt,
    imageId: container.image,
    revision: labels[LABELS.revision],
    digest: /@(sha256:[0-9a-f]{64})$/.exec(container.imageRef)?.[1],
    exitCode: hasEnded || state.status === "restarting" ? state.exitCode : undefined,
    restartCount: container.restartCount,
    oomKilled: state.oomKilled,
    health: state.health,
    startedAt: state.startedAt,
    finishedAt: state.finishedAt,
    volumes: container.mounts
      .filter(({ type }) => type === "volume")
      .map(({ name, destination }) => ({
        name: name ?? "",
        role: roleOf(destination),
        path: destination,
      })),
    envNames: container.env.map(nameOf),
    raw: { ...container, env: container.env.map(mask), config: withMaskedEnv(container.config) },
  };
}

function describe(labels: Labels): Pick<WorkspaceSummary, "id" | "name" | "runtime" | "tier"> {
  const id = labels[LABELS.workspace] ?? "";
  return {
    id,
    // Whoever may talk to the engine may have written these.
    name: stripControlCharacters(labels[LABELS.name] ?? id),
    runtime: stripControlCharacters(labels[LABELS.runtime] ?? ""),
    tier: Number(labels[LABELS.tier] ?? 2),
  };
}

function roleOf(destination: string): string {
  switch (destination) {
    case "/configs":
      return "configs";
    case "/workspace":
      return "workspace";
    case "/root/.claude/sessions":
      return "sessions";
    case "/run/molecule":
      return "secrets";
    default:
      return "state";
  }
}

function nameOf(entry: string): string {
  const equals = entry.indexOf("=");
  return equals === -1 ? entry : entry.slice(0, equals);
}

function mask(entry: string): string {
  return `${nameOf(entry)}=***`;
}

function withMaskedEnv(
  config: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const env = config["Env"];
  return Array.isArray(env) ? { ...config, Env: env.map(String).map(mask) } : config;
}
