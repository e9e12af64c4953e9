import { LABELS, stripControlCharacters } from "@molecule-ai/core";
import type { ContainerInfo, ContainerSummary } from "@molecule-ai/docker-engine";
import { containerName, DEFAULT_AGENT_PORT } from "../names.js";
import type { WorkspaceDetails, WorkspaceSummary } from "../workspace-backend.js";
import { hostAddress, publishedAddress, type PublishedAddress, type Vantage } from "./address.js";

type Labels = Readonly<Record<string, string>>;

/** Port the agent listens on inside the workspace. */
export function agentPortOf(labels: Labels): number {
  const port = Number(labels[LABELS.agentPort]);
  return Number.isInteger(port) && port > 0 ? port : DEFAULT_AGENT_PORT;
}

/** Where the agent of a container is reached; undefined while nothing reaches it. */
export function addressOf(
  vantage: Vantage,
  container: Pick<ContainerInfo, "labels" | "ports" | "state">,
): PublishedAddress | undefined {
  const { labels, ports, state } = container;
  return findAddress(vantage, {
    labels,
    isRunning: state.running,
    binding: ports[`${agentPortOf(labels)}/tcp`]?.[0],
  });
}

function findAddress(
  vantage: Vantage,
  container: {
    readonly labels: Labels;
    readonly isRunning: boolean;
    readonly binding: { readonly ip: string; readonly port: number } | undefined;
  },
): PublishedAddress | undefined {
  const { labels, isRunning, binding } = container;
  const port = agentPortOf(labels);
  if (labels[LABELS.tier] === "4") return isRunning ? hostAddress(vantage, port) : undefined;
  if (vantage.agentAddress === "network") {
    const id = labels[LABELS.workspace];
    if (id === undefined || !isRunning) return undefined;
    return { url: `http://${containerName(id)}:${port}`, reachable: true };
  }
  return binding && publishedAddress(vantage.endpoint, binding);
}

export function toSummary(vantage: Vantage, container: ContainerSummary): WorkspaceSummary {
  const { labels } = container;
  const port = agentPortOf(labels);
  const address = findAddress(vantage, {
    labels,
    isRunning: container.status === "running",
    binding: container.ports.find((published) => published.container === `${port}/tcp`),
  });
  return {
    ...describe(labels),
    status: container.status,
    url: address?.url,
    image: container.image,
    createdAt: container.createdAt,
  };
}

export function toDetails(vantage: Vantage, container: ContainerInfo): WorkspaceDetails {
  const { labels, state } = container;
  const hasEnded = state.finishedAt !== undefined && !state.running;
  return {
    ...describe(labels),
    status: state.status,
    url: addressOf(vantage, container)?.url,
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
