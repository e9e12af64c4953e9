import { queryRows, type Database } from "../store/database.js";
import { sql } from "drizzle-orm";
import type { WorkspaceRow } from "../store/workspaces.js";

/** Ancestor and descendant are at most this far apart. */
const MOST_STEPS = 32;

/** What decides who may reach whom. */
export type ReachNode = Pick<WorkspaceRow, "id" | "parentId">;

/**
 * True when `caller` may speak to `target`: itself, one with the same parent or, as it, with none, and
 * those above and below it in one line.
 */
export async function mayReach(
  db: Database,
  caller: ReachNode,
  target: ReachNode,
): Promise<boolean> {
  if (caller.id === target.id || caller.parentId === target.parentId) return true;
  return (await isAbove(db, caller, target)) || isAbove(db, target, caller);
}

async function isAbove(db: Database, upper: ReachNode, lower: ReachNode): Promise<boolean> {
  if (lower.parentId === null) return false;
  const found = await queryRows(
    db,
    sql`
      with recursive above (id, depth) as (
        select ${lower.parentId}::uuid, 1
        union all
        select w.parent_id, above.depth + 1
        from above join workspaces w on w.id = above.id
        where w.parent_id is not null and above.depth < ${MOST_STEPS}
      )
      select 1 from above where id = ${upper.id} limit 1`,
  );
  return found.length > 0;
}
