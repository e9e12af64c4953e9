import { and, eq, ilike, ne, or, sql, type SQL } from "drizzle-orm";
import type { LastOperation } from "../api/to-workspace-view.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import { queryRows, type Database } from "../store/database.js";
import { operations, workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { PageCursor } from "./page-cursor.js";
import { workspaceViewJson } from "./workspace-view-json.js";

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
  /** An array. */
  readonly json: string;
  readonly next: PageCursor | undefined;
}

/**
 * A page of workspaces, oldest first, each with the operation that explains it; the log tails of
 * operations are left out. The database writes the JSON, all of it in one row: with a thousand
 * workspaces, to read them in and write them out again would cost more than all else.
 *
 * `timeouts`: what is said to be `provision_timeout_ms`, by runtime.
 */
export async function listWorkspaces(
  db: Database,
  filter: WorkspaceFilter,
  page: {
    readonly limit: number;
    readonly after: PageCursor | undefined;
    readonly timeouts: ReadonlyMap<string, number>;
  },
): Promise<WorkspacePage> {
  const { limit, after, timeouts } = page;
  const view =
    timeouts.size === 0
      ? workspaceViewJson
      : sql`left(${workspaceViewJson}, -1) || concat(
          ',"provision_timeout_ms":' || (${JSON.stringify(Object.fromEntries(timeouts))}::jsonb ->> ${workspaces.runtime}), '}')`;
  const [found] = await queryRows<{
    json: string | null;
    count: number;
    id: string | null;
    moment: string | null;
  }>(
    db,
    sql`
      select
        string_agg(json, ',' order by place) filter (where place <= ${limit}) as json,
        count(*)::int as count,
        min(id::text) filter (where place = ${limit}) as id,
        (extract(epoch from min(moment) filter (where place = ${limit})) * 1000)::bigint::text
          as moment
      from (
        select
          ${workspaces.id} as id,
          ${workspaces.createdAt} as moment,
          row_number() over (order by ${workspaces.createdAt}, ${workspaces.id}) as place,
          ${view} as json
        from ${workspaces}
        left join ${operations} on ${operations.id} = ${workspaces.lastOperationId}
        where ${and(...conditions(filter), isAfter(after)) ?? sql`true`}
        order by ${workspaces.createdAt}, ${workspaces.id}
        limit ${limit + 1}
      ) as listed`,
  );
  const { json = null, count = 0, id = null, moment = null } = found ?? {};
  return {
    json: `[${json ?? ""}]`,
    next:
      count > limit && id !== null && moment !== null
        ? { createdAt: new Date(Number(moment)), id }
        : undefined,
  };
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
