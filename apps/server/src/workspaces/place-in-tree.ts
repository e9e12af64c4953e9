import { eq, sql } from "drizzle-orm";
import { ServerError } from "../errors.js";
import { queryRows, type Database } from "../store/database.js";
import { workspaces } from "../store/schema.js";
import { listAncestors } from "../store/workspaces.js";

/** Agents reach each other over this many steps, so a deeper tree would be of no use. */
const MOST_LEVELS = 32;

/**
 * Refuses a parent that is not there, and one that would make the tree a ring or too deep. The
 * parent is held until the transaction ends, so that it is not removed meanwhile. `child` is the
 * workspace that moves; undefined for a new one.
 *
 * @throws ServerError `ERR_REQUEST_INVALID`
 */
export async function checkParent(
  tx: Database,
  parentId: string,
  child: string | undefined,
): Promise<void> {
  // Two moves at once could make a ring of which neither sees the other half.
  if (child !== undefined) await tx.execute(sql`select pg_advisory_xact_lock(7260633)`);
  const [parent] = await tx
    .select({ status: workspaces.status })
    .from(workspaces)
    .where(eq(workspaces.id, parentId))
    .for("share");
  if (parent === undefined || parent.status === "removed") {
    throw refused(parentId, "it is not there", "Give the id of a workspace that exists.");
  }
  const above = [parentId, ...(await listAncestors(tx, parentId)).map(({ id }) => id)];
  if (child !== undefined && above.includes(child)) {
    throw refused(parentId, "it is the workspace itself or below it", "Move that one first.");
  }
  const height = child === undefined ? 1 : await heightOf(tx, child);
  if (above.length + height > MOST_LEVELS) {
    throw refused(parentId, `a tree has at most ${MOST_LEVELS} levels`, "Choose a higher parent.");
  }
}

async function heightOf(tx: Database, id: string): Promise<number> {
  const [row] = await queryRows<{ height: number }>(
    tx,
    sql`
      with recursive below (id, depth) as (
        select ${id}::uuid, 1
        union all
        select child.id, below.depth + 1
        from workspaces child join below on child.parent_id = below.id
        where below.depth < 64 and child.status <> 'removed'
      )
      select max(depth)::int as height from below`,
  );
  return row?.height ?? 1;
}

function refused(parentId: string, reason: string, hint: string): ServerError {
  return new ServerError(
    "ERR_REQUEST_INVALID",
    `Workspace ${parentId} cannot be the parent: ${reason}.`,
    { hint, details: { parent_id: parentId } },
  );
}
