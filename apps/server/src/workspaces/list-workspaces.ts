import { and, asc, eq, ilike, ne, or, sql, type SQL } from "drizzle-orm";
import type { LastOperation } from "../api/to-workspace-view.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import type { Database } from "../store/database.js";
import { operations, workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { PageCursor } from "./page-cursor.js";

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

/** A page of workspaces, oldest first. The log tails of their operations are left out. */
export async function listWorkspaces(
  db: Database,
  filter: WorkspaceFilter,
  page: { readonly limit: number; readonly after: PageCursor | undefined },
): Promise<{ readonly rows: readonly ListedWorkspace[]; readonly next: PageCursor | undefined }> {
  const found = await db
    .select({ row: workspaces, last: lastColumns })
    .from(workspaces)
    .leftJoin(operations, eq(operations.id, workspaces.lastOperationId))
    .where(and(...conditions(filter), isAfter(page.after)))
    .orderBy(asc(workspaces.createdAt), asc(workspaces.id))
    .limit(page.limit + 1);
  const rows = found.slice(0, page.limit).map(({ row, last }) => ({
    row,
    last: last === null ? undefined : { ...last, logTail: null },
  }));
  const end = rows.at(-1)?.row;
  return { rows, next: found.length > page.limit ? end : undefined };
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
