import { and, eq, inArray, sql, type InferSelectModel } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import { TRANSITIONS, type TransitionName } from "../state/workspace-status.js";
import { queryRows, type Database } from "./database.js";
import { workspaces } from "./schema.js";

export type WorkspaceRow = InferSelectModel<typeof workspaces>;
/** Columns that a writer may set beside the status. */
export type WorkspacePatch = Omit<
  PgUpdateSetSource<typeof workspaces>,
  "id" | "status" | "version" | "createdAt" | "createdBy"
>;

export async function findWorkspaceRow(
  db: Database,
  id: string,
): Promise<WorkspaceRow | undefined> {
  const [row] = await db.select().from(workspaces).where(eq(workspaces.id, id));
  return row;
}

/**
 * Moves a workspace along a transition, together with other columns, in one statement: it is written
 * only when the transition may happen from the status it has at that moment, and, with `version`,
 * only when nobody wrote since that version was read.
 *
 * @returns the row as written, or undefined when it was not.
 */
export async function transition(
  db: Database,
  id: string,
  name: TransitionName,
  options: {
    readonly patch?: WorkspacePatch | undefined;
    readonly version?: number | undefined;
  } = {},
): Promise<WorkspaceRow | undefined> {
  const { from, to } = TRANSITIONS[name];
  const [row] = await db
    .update(workspaces)
    .set({
      ...options.patch,
      status: to,
      version: sql`${workspaces.version} + 1`,
      updatedAt: sql`now()`,
    })
    .where(
      and(
        eq(workspaces.id, id),
        inArray(workspaces.status, [...from]),
        options.version === undefined ? undefined : eq(workspaces.version, options.version),
      ),
    )
    .returning();
  return row;
}

/** Sets columns without touching the status. A removed workspace is never written: undefined then. */
export async function patchWorkspace(
  db: Database,
  id: string,
  patch: WorkspacePatch,
): Promise<WorkspaceRow | undefined> {
  const [row] = await db
    .update(workspaces)
    .set({ ...patch, version: sql`${workspaces.version} + 1`, updatedAt: sql`now()` })
    .where(and(eq(workspaces.id, id), sql`${workspaces.status} <> 'removed'`))
    .returning();
  return row;
}

/** All below a workspace that are not removed, nearest first; itself is not among them. */
export async function listDescendantIds(db: Database, id: string): Promise<string[]> {
  const rows = await queryRows<{ id: string }>(
    db,
    sql`
      with recursive below (id, depth, path) as (
        select id, 1, array[id] from workspaces where parent_id = ${id}
        union all
        select child.id, below.depth + 1, below.path || child.id
        from workspaces child join below on child.parent_id = below.id
        where child.id <> all (below.path) and below.depth < 64
      )
      select below.id from below join workspaces w on w.id = below.id
      where w.status <> 'removed' and w.id <> ${id}
      group by below.id order by min(below.depth), below.id`,
  );
  return rows.map((row) => row.id);
}

/** All above a workspace, nearest first. */
export async function listAncestors(
  db: Database,
  id: string,
): Promise<{ readonly id: string; readonly status: WorkspaceRow["status"] }[]> {
  return queryRows(
    db,
    sql`
      with recursive above (id, status, parent_id, depth, path) as (
        select p.id, p.status, p.parent_id, 1, array[p.id]
        from workspaces w join workspaces p on p.id = w.parent_id where w.id = ${id}
        union all
        select p.id, p.status, p.parent_id, above.depth + 1, above.path || p.id
        from above join workspaces p on p.id = above.parent_id
        where p.id <> all (above.path) and above.depth < 64
      )
      select id, status from above order by depth`,
  );
}
