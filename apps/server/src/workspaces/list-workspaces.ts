import { and, eq, ilike, ne, or, sql, type SQL } from "drizzle-orm";
import type { LastOperation } from "../api/to-workspace-view.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import { queryRows, type Database } from "../store/database.js";
import { operations, workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { PageCursor } from "./page-cursor.js";
import { workspaceViewColumns } from "./workspace-view-columns.js";

export interface WorkspaceFilter {
  /** Undefined: all but the removed ones. */
  readonly status?: WorkspaceStatus | undefined;
  readonly runtime?: string | undefined;
  readonly parentId?: string | undefined;
  /** Part of the name or role. */
  readonly text?: string | undefined;
}

export interface ListedWorkspace {
  readonly row: WorkspaceRow;
  /** Why it is in its status. */
  readonly last: LastOperation | undefined;
}

const lastColumns = {
  id: operations.id,
  kind: operations.kind,
  state: operations.state,
  stage: operations.stage,
  errorCode: operations.errorCode,
  errorMessage: operations.errorMessage,
  errorHint: operations.errorHint,
};

/** A page of workspaces as the text of the JSON that clients are sent. */
export interface WorkspacePage {
  readonly rows: readonly { readonly runtime: string; readonly json: string }[];
  readonly next: PageCursor | undefined;
}

/**
 * A page of workspaces, oldest first, each with the operation that explains it; the log tails of
 * operations are left out. The database writes the JSON: with a thousand rows, to read them in and
 * write them out again would cost more than all else.
 */
export async function listWorkspaces(
  db: Database,
  filter: WorkspaceFilter,
  page: { readonly limit: number; readonly after: PageCursor | undefined },
): Promise<WorkspacePage> {
  const found = await queryRows<{ id: string; moment: string; runtime: string; json: string }>(
    db,
    sql`
      select
        ${workspaces.id} as id,
        (extract(epoch from ${workspaces.createdAt}) * 1000)::bigint::text as moment,
        ${workspaces.runtime} as runtime,
        row_to_json(view)::text as json
      from ${workspaces}
      left join ${operations} on ${operations.id} = ${workspaces.lastOperationId}
      cross join lateral (select ${workspaceViewColumns}) as view
      where ${and(...conditions(filter), isAfter(page.after)) ?? sql`true`}
      order by ${workspaces.createdAt}, ${workspaces.id}
      limit ${page.limit + 1}`,
  );
  const rows = found.slice(0, page.limit);
  const end = rows.at(-1);
  const next =
    found.length > page.limit && end !== undefined
      ? { createdAt: new Date(Number(end.moment)), id: end.id }
      : undefined;
  return { rows, next };
}

/** One workspace with the operation that explains it, its log tail too. */
export async function findWorkspace(
  db: Database,
  id: string,
): Promise<ListedWorkspace | undefined> {
  const [found] = await db
    .select({ row: workspaces, last: { ...lastColumns, logTail: operations.logTail } })
    .from(workspaces)
    .leftJoin(operations, eq(operations.id, workspaces.lastOperationId))
    .where(eq(workspaces.id, id));
  return found && { row: found.row, last: found.last ?? undefined };
}

function conditions({ status, runtime, parentId, text }: WorkspaceFilter): (SQL | undefined)[] {
  return [
    status === undefined ? ne(workspaces.status, "removed") : eq(workspaces.status, status),
    runtime === undefined ? undefined : eq(workspaces.runtime, runtime),
    parentId === undefined ? undefined : eq(workspaces.parentId, parentId),
    text === undefined
      ? undefined
      : or(ilike(workspaces.name, containing(text)), ilike(workspaces.role, containing(text))),
  ];
}

function containing(text: string): string {
  return `%${text.replaceAll(/[\\%_]/g, (special) => `\\${special}`)}%`;
}

function isAfter(cursor: PageCursor | undefined): SQL | undefined {
  if (cursor === undefined) return undefined;
  const createdAt = cursor.createdAt.toISOString();
  return sql`(${workspaces.createdAt}, ${workspaces.id}) > (${createdAt}::timestamptz, ${cursor.id}::uuid)`;
}
