import { isProvisionerError, LABELS } from "@molecule-ai/core";
import { containerName } from "../names.js";
import type { OwnedResource } from "../workspace-backend.js";
import { outlast, type DockerContext } from "./context.js";
import { stopContainer } from "./lifecycle.js";
import { installFilter, workspaceFilter } from "./ownership.js";

export interface RemoveOptions {
  readonly signal?: AbortSignal | undefined;
  readonly keepVolumes?: boolean | undefined;
  readonly graceSeconds?: number | undefined;
}

/** See `WorkspaceBackend.remove`. Everything is found by its labels, so no name can mislead it. */
export async function removeWorkspace(
  context: DockerContext,
  id: string,
  options: RemoveOptions = {},
): Promise<{ readonly removed: readonly string[] }> {
  const { signal } = options;
  const labels = [installFilter(context.installId), workspaceFilter(id)];
  const { containers, volumes } = context.engine;
  const removed: string[] = [];
  for (const container of await containers.list({ labels, all: true }, { signal })) {
    if (await removeContainer(context, container.id, options)) removed.push(container.name);
  }
  if (options.keepVolumes === true) return { removed };
  using late = outlast(signal);
  for (const volume of await volumes.list({ labels }, { signal })) {
    signal?.throwIfAborted();
    if (await volumes.remove(volume.name, { signal: late.signal })) {
      removed.push(volume.name);
    }
  }
  return { removed };
}

async function removeContainer(
  context: DockerContext,
  id: string,
  options: RemoveOptions,
): Promise<boolean> {
  const { containers } = context.engine;
  const container = await containers.inspect(id, { signal: options.signal });
  if (container === undefined) return false;
  await stopContainer(context, container, options);
  using late = outlast(options.signal);
  return await containers.remove(id, { force: true, signal: late.signal });
}

/** See `WorkspaceBackend.listOwned`. */
export async function listOwned(
  context: DockerContext,
  signal: AbortSignal | undefined,
): Promise<OwnedResource[]> {
  const labels = [installFilter(context.installId)];
  const { containers, volumes, networks } = context.engine;
  const [foundContainers, foundVolumes, foundNetworks] = await Promise.all([
    containers.list({ labels, all: true }, { signal }),
    volumes.list({ labels }, { signal }),
    networks.list({ labels }, { signal }),
  ]);
  return [
    ...foundContainers.map((container): OwnedResource => ({
      kind: "workspace",
      name: container.name,
      workspaceId: container.labels[LABELS.workspace],
      createdAt: createdAtOf(container.labels) ?? container.createdAt,
      running: container.status === "running" || container.status === "restarting",
    })),
    ...foundVolumes.map((volume): OwnedResource => ({
      kind: "volume",
      name: volume.name,
      workspaceId: volume.labels[LABELS.workspace],
      createdAt: createdAtOf(volume.labels) ?? volume.createdAt,
      running: false,
    })),
    ...foundNetworks.map((network): OwnedResource => ({
      kind: "network",
      name: network.name,
      workspaceId: undefined,
      createdAt: createdAtOf(network.labels),
      running: network.containers.length > 0,
    })),
  ];
}

/** See `WorkspaceBackend.removeOwned`. False also when it stopped being ours, or is in use. */
export async function removeOwned(
  context: DockerContext,
  resource: OwnedResource,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { engine, installId } = context;
  const isOurs = (labels: Readonly<Record<string, string>> | undefined): boolean =>
    labels?.[LABELS.install] === installId && labels[LABELS.workspace] === resource.workspaceId;
  using late = outlast(signal);
  switch (resource.kind) {
    case "workspace": {
      const container = await engine.containers.inspect(resource.name, { signal });
      if (container === undefined || !isOurs(container.labels)) return false;
      return await removeContainer(context, container.id, { signal });
    }
    case "volume": {
      const volume = await engine.volumes.inspect(resource.name, { signal });
      if (!isOurs(volume?.labels)) return false;
      return await engine.volumes.remove(resource.name, { signal: late.signal });
    }
    case "network": {
      const network = await engine.networks.inspect(resource.name, { signal });
      if (network === undefined || !isOurs(network.labels)) return false;
      if (network.containers.length > 0) return false;
      try {
        return await engine.networks.remove(network.id, { signal: late.signal });
      } catch (error) {
        // Somebody joined it meanwhile: 403 from Docker, 409 from others.
        const status = isProvisionerError(error) ? error.details["status"] : undefined;
        if (status === 403 || status === 409) return false;
        throw error;
      }
    }
    default:
      return resource.kind satisfies never;
  }
}

/** True for the container a workspace normally has, false for one in the middle of a swap. */
export function isPrimaryName(name: string, labels: Readonly<Record<string, string>>): boolean {
  return name === containerName(labels[LABELS.workspace] ?? "");
}

function createdAtOf(labels: Readonly<Record<string, string>>): number | undefined {
  const createdAt = Number(labels[LABELS.createdAt]);
  return Number.isFinite(createdAt) && createdAt > 0 ? createdAt : undefined;
}
