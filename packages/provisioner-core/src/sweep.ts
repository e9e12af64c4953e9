import { describeFailure, type Clock } from "@molecule-ai/core";
import type { SweepOptions, SweepResult } from "./provisioner.js";
import type { OwnedResource, WorkspaceBackend } from "./workspace-backend.js";

const DEFAULT_GRACE_MS = 10 * 60_000;

/** Workspaces first: a volume in use cannot go, and a network is of use only to them. */
const ORDER = { workspace: 0, volume: 1, network: 2 } as const;

/** See `Provisioner.sweep`. */
export async function sweep(
  backend: Pick<WorkspaceBackend, "listOwned" | "removeOwned">,
  clock: Clock,
  options: SweepOptions,
): Promise<SweepResult> {
  const { signal, dryRun } = options;
  const removed: string[] = [];
  const kept: { name: string; reason: string }[] = [];
  const failed: { name: string; code: string; message: string }[] = [];
  /** Workspaces of which something stays: their volumes stay too. */
  const staying = new Set<string | undefined>();

  const resources = [...(await backend.listOwned({ signal }))].sort(
    (a, b) => ORDER[a.kind] - ORDER[b.kind],
  );
  for (const resource of resources) {
    signal?.throwIfAborted();
    const { name, kind, workspaceId } = resource;
    try {
      const reason = await reasonToKeep(resource, clock, options, staying);
      if (reason !== undefined) {
        kept.push({ name, reason });
        if (kind === "workspace") staying.add(workspaceId);
      } else if (dryRun || (await backend.removeOwned(resource, { signal }))) {
        removed.push(name);
        if (!dryRun) options.onEvent?.({ type: "undone", what: `${kind} ${name} removed` });
      } else {
        kept.push({ name, reason: "it was gone or in use" });
      }
    } catch (error) {
      signal?.throwIfAborted();
      const { code, message } = describeFailure(error);
      failed.push({ name, code, message });
      if (kind === "workspace") staying.add(workspaceId);
    }
  }
  return { removed, kept, failed };
}

async function reasonToKeep(
  resource: OwnedResource,
  clock: Clock,
  options: SweepOptions,
  staying: ReadonlySet<string | undefined>,
): Promise<string | undefined> {
  const graceMs = options.graceMs ?? DEFAULT_GRACE_MS;
  const { createdAt, workspaceId, kind, running } = resource;
  if (kind === "volume" && staying.has(workspaceId)) return "its workspace stays";
  if (createdAt === undefined) return "its age is unknown";
  if (clock.now() - createdAt < graceMs) return "it is younger than the grace period";
  if (kind === "network") {
    // A stopped workspace could not start again without its network.
    return running || staying.size > 0 ? "workspaces use it" : undefined;
  }
  if (workspaceId === undefined) return "it does not say which workspace it belongs to";
  if (await options.owned(workspaceId)) return "its workspace is wanted";
  return kind === "volume" && options.volumes !== true ? "storage goes only when asked" : undefined;
}
