import { describeFailure } from "@molecule-ai/core";
import type { OwnedResource, WorkspaceBackend } from "@molecule-ai/provisioner-core";
import { sql } from "drizzle-orm";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { readDatabaseAge } from "./database-age.js";
import { planOrphans, type OrphanFacts, type Owner } from "./plan-orphans.js";
import { sqlList } from "./sql-list.js";

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** A server process that was not seen for longer is not there. */
const SEEN_WITHIN = "1 minute";

export interface OrphanReport {
  /** Or would be, in a dry run. */
  readonly removed: readonly Named[];
  readonly kept: readonly (Named & { readonly reason: string })[];
  readonly failed: readonly (Named & { readonly code: string })[];
}

interface Named {
  readonly kind: OwnedResource["kind"];
  readonly name: string;
  readonly workspaceId: string | undefined;
}

/** One look at what carries our install id on this engine; removes what nobody wants. */
export async function sweepOrphans(options: {
  readonly db: Database;
  readonly backend: Pick<WorkspaceBackend, "listOwned" | "removeOwned">;
  readonly hostId: string;
  readonly isDryRun: boolean;
  readonly signal: AbortSignal;
}): Promise<OrphanReport> {
  const { db, backend, hostId, isDryRun, signal } = options;
  const resources = await backend.listOwned({ signal });
  if (resources.length === 0) return { removed: [], kept: [], failed: [] };
  // After the list: a workspace that was made meanwhile is known then.
  const plan = planOrphans(resources, await readFacts(db, hostId, resources));
  const removed: Named[] = [];
  const kept = plan.keep.map(({ resource, reason }) => ({ ...nameOf(resource), reason }));
  const failed: (Named & { code: string })[] = [];
  const staying = new Set<string | undefined>();
  for (const resource of plan.remove) {
    signal.throwIfAborted();
    const named = nameOf(resource);
    if (resource.kind === "volume" && staying.has(resource.workspaceId)) {
      kept.push({ ...named, reason: "its workspace stays" });
      continue;
    }
    try {
      if (isDryRun || (await backend.removeOwned(resource, { signal }))) removed.push(named);
      else kept.push({ ...named, reason: "it was gone or in use" });
    } catch (error) {
      signal.throwIfAborted();
      failed.push({ ...named, code: describeFailure(error).code });
      if (resource.kind === "workspace") staying.add(resource.workspaceId);
    }
  }
  return { removed, kept, failed };
}

function nameOf({ kind, name, workspaceId }: OwnedResource): Named {
  return { kind, name, workspaceId };
}

async function readFacts(
  db: Database,
  hostId: string,
  resources: readonly OwnedResource[],
): Promise<OrphanFacts> {
  const [age, owners, [known]] = await Promise.all([
    readDatabaseAge(db),
    readOwners(db, hostId, resources),
    queryRows<{ count: number }>(db, sql`select count(*)::int as count from workspaces`),
  ]);
  return {
    ...age,
    knownWorkspaces: known?.count ?? 0,
    ownerOf: (workspaceId) => owners.get(workspaceId) ?? { kind: "unknown" },
  };
}

async function readOwners(
  db: Database,
  hostId: string,
  resources: readonly OwnedResource[],
): Promise<ReadonlyMap<string, Owner>> {
  const named = new Set(resources.map(({ workspaceId }) => workspaceId ?? ""));
  // Labels are what somebody wrote; what is no id names no workspace, and is left alone.
  const owners = new Map<string, Owner>(
    [...named].filter((id) => !UUID.test(id)).map((id) => [id, { kind: "wanted" }]),
  );
  const ids = [...named].filter((id) => UUID.test(id));
  if (ids.length === 0) return owners;
  const rows = await queryRows<{
    id: string;
    is_removed: boolean | null;
    keeps_volumes: boolean | null;
    is_busy: boolean;
    is_elsewhere: boolean | null;
    is_elsewhere_alive: boolean;
  }>(
    db,
    sql`
      select asked.id, w.status = 'removed' as is_removed, w.keep_volumes as keeps_volumes,
        exists (select 1 from operations o where o.workspace_id = asked.id
          and o.state in (${sqlList(UNFINISHED_STATES)})) as is_busy,
        w.host_id <> ${hostId} and w.status in ('online', 'degraded') as is_elsewhere,
        exists (select 1 from server_instances s where s.host_id = w.host_id
          and s.seen_at > now() - ${SEEN_WITHIN}::interval) as is_elsewhere_alive
      from (select value::uuid as id from jsonb_array_elements_text(${JSON.stringify(ids)}::jsonb)) asked
      left join workspaces w on w.id = asked.id`,
  );
  for (const row of rows) owners.set(row.id, toOwner(row));
  return owners;
}

function toOwner(row: {
  readonly is_removed: boolean | null;
  readonly keeps_volumes: boolean | null;
  readonly is_busy: boolean;
  readonly is_elsewhere: boolean | null;
  readonly is_elsewhere_alive: boolean;
}): Owner {
  const isBusy = row.is_busy;
  // Purged before its removal ran: that one cleans up.
  if (row.is_removed === null) {
    return isBusy ? { kind: "removed", keepsVolumes: true, isBusy } : { kind: "unknown" };
  }
  if (row.is_removed) return { kind: "removed", keepsVolumes: row.keeps_volumes === true, isBusy };
  // An engine whose id changed is not another engine: only one that answers is.
  if (row.is_elsewhere === true && row.is_elsewhere_alive && !isBusy) return { kind: "moved" };
  return { kind: "wanted" };
}
