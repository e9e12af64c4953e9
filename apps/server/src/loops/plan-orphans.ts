import type { OwnedResource } from "@molecule-ai/provisioner-core";

/** What has to happen to be sure that nobody is about to use a resource. */
export const ORPHAN_GRACE_MS = 10 * 60_000;

/** What the store says of the workspace that a resource belongs to. */
export type Owner =
  | { readonly kind: "unknown" }
  /** Deleted here; `isBusy` while a removal still has to run. */
  | { readonly kind: "removed"; readonly keepsVolumes: boolean; readonly isBusy: boolean }
  | { readonly kind: "wanted" }
  /** It runs on another engine now, which answers. */
  | { readonly kind: "moved" };

export interface OrphanFacts {
  readonly now: number;
  /** When the database was made; what is older may belong to another one. */
  readonly databaseCreatedAt: number;
  /** Workspaces in the store, removed ones too. */
  readonly knownWorkspaces: number;
  readonly ownerOf: (workspaceId: string) => Owner;
}

export interface OrphanPlan {
  /** Containers first: storage in use cannot go. */
  readonly remove: readonly OwnedResource[];
  readonly keep: readonly { readonly resource: OwnedResource; readonly reason: string }[];
}

/** Decides which resources of this installation nobody wants. Doubt keeps everything. */
export function planOrphans(resources: readonly OwnedResource[], facts: OrphanFacts): OrphanPlan {
  const remove: OwnedResource[] = [];
  const keep: { resource: OwnedResource; reason: string }[] = [];
  const staying = new Set<string | undefined>();
  const sorted = [...resources].sort((a, b) => Number(isVolume(a)) - Number(isVolume(b)));
  for (const resource of sorted) {
    const reason =
      isVolume(resource) && staying.has(resource.workspaceId)
        ? "its workspace stays"
        : reasonToKeep(resource, facts);
    if (reason === undefined) {
      remove.push(resource);
      continue;
    }
    keep.push({ resource, reason });
    if (resource.kind === "workspace") staying.add(resource.workspaceId);
  }
  return { remove, keep };
}

function reasonToKeep(resource: OwnedResource, facts: OrphanFacts): string | undefined {
  const { createdAt, kind, workspaceId } = resource;
  if (kind === "network") return "workspaces to come use it";
  if (workspaceId === undefined) return "it does not say which workspace it belongs to";
  if (createdAt === undefined) return "its age is unknown";
  if (facts.knownWorkspaces === 0) return "the database knows no workspace at all";
  if (createdAt < facts.databaseCreatedAt) return "it is older than the database";
  if (facts.now - createdAt < ORPHAN_GRACE_MS) return "it is younger than the grace period";
  const owner = facts.ownerOf(workspaceId);
  switch (owner.kind) {
    case "wanted":
      return "its workspace is wanted";
    case "removed":
      if (owner.isBusy) return "its removal is under way";
      return kind === "volume" && owner.keepsVolumes ? "it was asked to be kept" : undefined;
    case "unknown":
      return kind === "volume" ? "its workspace was not deleted here" : undefined;
    case "moved":
      return kind === "volume" ? "its workspace lives on, on another engine" : undefined;
    default:
      return owner satisfies never;
  }
}

function isVolume(resource: OwnedResource): boolean {
  return resource.kind === "volume";
}
