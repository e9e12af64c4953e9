import { LABELS } from "@molecule-ai/core";
import type { ContainerInfo } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import { containerName, previousContainerName } from "../names.js";
import type { DockerContext } from "./context.js";

type Labels = Readonly<Record<string, string>>;

/** True for what this installation created for workspace `id`. */
export function belongsTo(labels: Labels, installId: string, id: string): boolean {
  return labels[LABELS.install] === installId && labels[LABELS.workspace] === id;
}

/** Filter for everything of this installation. */
export function installFilter(installId: string): string {
  return `${LABELS.install}=${installId}`;
}

/** Filter for everything of one workspace, to be used beside {@link installFilter}. */
export function workspaceFilter(id: string): string {
  return `${LABELS.workspace}=${id}`;
}

/**
 * The container of workspace `id`. A container of that name that is not ours counts as none. When a
 * swap was interrupted and nothing has the name, the replaced container is taken, then its
 * replacement.
 */
export async function findContainer(
  context: DockerContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ContainerInfo | undefined> {
  const { engine, installId } = context;
  const named = await engine.containers.inspect(containerName(id), { signal });
  if (named !== undefined) {
    return belongsTo(named.labels, installId, id) ? named : undefined;
  }
  const labels = [installFilter(installId), workspaceFilter(id)];
  const others = await engine.containers.list({ labels, all: true }, { signal });
  const previous = others.find(({ name }) => name === previousContainerName(id));
  const found = previous ?? others[0];
  if (found === undefined) return undefined;
  return engine.containers.inspect(found.id, { signal });
}

/** As {@link findContainer}, with `ERR_WORKSPACE_NOT_FOUND` for none. */
export async function requireContainer(
  context: DockerContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<ContainerInfo> {
  const container = await findContainer(context, id, signal);
  if (container !== undefined) return container;
  throw new WorkspaceError("ERR_WORKSPACE_NOT_FOUND", `There is no workspace ${id}.`, {
    hint: "List the workspaces of this installation to see their ids.",
    details: { id },
  });
}
