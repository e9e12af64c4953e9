import { sql } from "drizzle-orm";
import { queryRows, type Database } from "../store/database.js";

/**
 * Ids of the workspaces that get a global secret, because they have none of that name of their own;
 * those above come before those below, the order in which rows are locked.
 */
export async function listInheritingIds(tx: Database, key: string): Promise<string[]> {
  const rows = await queryRows<{ id: string }>(
    tx,
    sql`
      with recursive tree (id, depth) as (
        select id, 0 from workspaces where parent_id is null
        union all
        select child.id, tree.depth + 1
        from workspaces child join tree on child.parent_id = tree.id where tree.depth < 64
      )
      select w.id from workspaces w join tree on tree.id = w.id
      where w.status <> 'removed' and w.runtime <> 'external'
        and not exists (
          select 1 from workspace_secrets s where s.workspace_id = w.id and s.key = ${key}
        )
      order by tree.depth, w.id`,
  );
  return rows.map(({ id }) => id);
}
