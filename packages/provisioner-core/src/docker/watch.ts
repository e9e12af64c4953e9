import { LABELS } from "@molecule-ai/core";
import type { ContainerSummary, EngineEvent } from "@molecule-ai/docker-engine";
import type { WorkspaceNotice, WorkspaceSummary } from "../workspace-backend.js";
import type { DockerContext } from "./context.js";
import { toSummary } from "./details.js";
import { installFilter } from "./ownership.js";
import { isPrimaryName } from "./removal.js";

/** See `WorkspaceBackend.watch`. */
export async function* watchWorkspaces(
  context: DockerContext,
  signal: AbortSignal,
): AsyncIterable<WorkspaceNotice> {
  const labels = [installFilter(context.installId)];
  for await (const event of context.engine.events({ labels }, { signal })) {
    const notice = toNotice(context, event);
    if (notice !== undefined) yield notice;
  }
}

/** One summary per workspace; in the middle of a swap the one that has, or had, the name. */
export function summarise(
  context: DockerContext,
  containers: readonly ContainerSummary[],
): WorkspaceSummary[] {
  const byWorkspace = new Map<string, ContainerSummary>();
  for (const container of containers) {
    const id = container.labels[LABELS.workspace];
    if (id === undefined) continue;
    const known = byWorkspace.get(id);
    if (known === undefined || rank(container) < rank(known)) byWorkspace.set(id, container);
  }
  return [...byWorkspace.values()].map((container) => toSummary(context.vantage, container));
}

function rank({ name, labels }: ContainerSummary): number {
  if (isPrimaryName(name, labels)) return 0;
  return name.endsWith("-prev") ? 1 : 2;
}

function toNotice(context: DockerContext, event: EngineEvent): WorkspaceNotice | undefined {
  if (event.type === "relisted") {
    const workspaces = summarise(context, event.containers);
    return { type: "relisted", workspaces, at: event.at };
  }
  const id = event.labels[LABELS.workspace];
  // The halves of a swap come and go without the workspace doing so.
  if (id === undefined || !isPrimaryName(event.name, event.labels)) return undefined;
  const { at } = event;
  switch (event.action) {
    case "start":
      return { type: "started", id, at };
    case "die":
      return { type: "exited", id, exitCode: event.exitCode, at };
    case "destroy":
      return { type: "removed", id, at };
    case "pause":
      return { type: "paused", id, at };
    case "unpause":
      return { type: "resumed", id, at };
    default:
      return undefined;
  }
}
