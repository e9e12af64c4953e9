import { sql } from "drizzle-orm";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { listAncestors, type WorkspaceRow } from "../store/workspaces.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { sqlList } from "./sql-list.js";

/**
 * Holds the row of a workspace that is as it was when its container was looked at: nobody wrote to
 * it, nothing is under way for it, and nothing above it is paused. Undefined otherwise; then what was
 * seen of the container says nothing any more.
 */
export async function holdUnchanged(
  tx: Database,
  seen: { readonly id: string; readonly version: number },
): Promise<WorkspaceRow | undefined> {
  const row = await lockWorkspace(tx, seen.id);
  if (row === undefined || row.version !== seen.version) return undefined;
  const unfinished = await queryRows(
    tx,
    sql`select 1 from operations where workspace_id = ${seen.id}
          and state in (${sqlList(UNFINISHED_STATES)}) limit 1`,
  );
  if (unfinished.length > 0) return undefined;
  const ancestors = await listAncestors(tx, seen.id);
  return ancestors.some(({ status }) => status === "paused") ? undefined : row;
}
