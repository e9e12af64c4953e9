import { is, sql, SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { WorkspaceView } from "../api/workspace-view.js";
import { operations, workspaces as w } from "../store/schema.js";

/** PostgreSQL passes at most 100 arguments to a function. */
const MOST_ARGUMENTS = 100;

type ViewFields = Record<Exclude<keyof WorkspaceView, "provision_timeout_ms">, PgColumn | SQL>;

/** What `toWorkspaceView` does, in SQL: a test holds the two to each other. An expression is JSON text. */
const fields: ViewFields = {
  id: w.id,
  name: w.name,
  role: w.role,
  tier: w.tier,
  status: w.status,
  runtime: w.runtime,
  model: w.model,
  agent_card: w.agentCard,
  url: w.url,
  parent_id: w.parentId,
  forwarded_to: w.forwardedTo,
  workspace_access: w.workspaceAccess,
  max_concurrent_tasks: w.maxConcurrentTasks,
  active_tasks: w.activeTasks,
  uptime_seconds: w.uptimeSeconds,
  last_error_rate: w.lastErrorRate,
  last_heartbeat_at: w.lastHeartbeatAt,
  last_outbound_at: w.lastOutboundAt,
  hibernation_idle_minutes: w.hibernationIdleMinutes,
  collapsed: w.collapsed,
  x: w.canvasX,
  y: w.canvasY,
  created_at: w.createdAt,
  updated_at: w.updatedAt,
  template: w.template,
  tier_applied: w.tierApplied,
  image: w.imageRef,
  runtime_image_digest: w.imageDigest,
  image_revision: w.imageRevision,
  image_tree: w.imageTree,
  host_id: w.hostId,
  provision_started_at: w.provisionStartedAt,
  removed_at: w.removedAt,
  admission: w.admission,
  awareness_namespace: w.awarenessNamespace,
  workspace_dir: w.workspaceDir,
  budget_limit: w.budgetLimit,
  monthly_spend: w.monthlySpend,
  current_task: w.currentTask,
  last_sample_error: w.lastSampleError,
  runtime_state: w.runtimeState,
  why: objectOf({
    operation_id: operations.id,
    kind: operations.kind,
    state: operations.state,
    stage: operations.stage,
    code: operations.errorCode,
    message: sql`coalesce(to_json(case
      when ${w.status} in ('failed', 'degraded') and ${operations.state} is distinct from 'failed'
        and ${w.lastSampleError} <> '' then ${w.lastSampleError}
      else ${operations.errorMessage} end)::text, 'null')`,
    hint: operations.errorHint,
    log_tail: sql`'null'`,
  }),
};

/**
 * A workspace as the text of the JSON that clients see; for a query on workspaces and their
 * operations. It is put together from pieces of text, because the database's own functions for rows
 * look up the type of every field of every row, which takes twice as long.
 */
export const workspaceViewJson: SQL = objectOf(fields);

function objectOf(columns: Readonly<Record<string, PgColumn | SQL>>): SQL {
  const pieces = Object.entries(columns).flatMap(([name, column], index) => [
    sql.raw(`'${index === 0 ? "{" : ","}"${name}":'`),
    valueOf(column),
  ]);
  pieces.push(sql`'}'`);
  const calls: SQL[] = [];
  for (let from = 0; from < pieces.length; from += MOST_ARGUMENTS) {
    calls.push(sql`concat(${sql.join(pieces.slice(from, from + MOST_ARGUMENTS), sql`, `)})`);
  }
  return sql`(${sql.join(calls, sql` || `)})`;
}

/** JSON text, also of a column that is null. */
function valueOf(column: PgColumn | SQL): SQL {
  if (is(column, SQL)) return column;
  switch (column.columnType) {
    case "PgUUID":
    case "PgEnumColumn":
      return sql`coalesce('"' || ${column} || '"', 'null')`;
    case "PgTimestamp":
      return sql`coalesce(
        to_char(${column} at time zone 'UTC', '\\"YYYY-MM-DD"T"HH24:MI:SS.MS"Z"\\"'), 'null')`;
    case "PgText":
      return sql`coalesce(to_json(${column})::text, 'null')`;
    case "PgBoolean":
    case "PgJsonb":
    case "PgInteger":
    case "PgBigInt53":
    case "PgDoublePrecision":
      return column.notNull ? sql`${column}::text` : sql`coalesce(${column}::text, 'null')`;
    default:
      throw new Error(`${column.columnType} is not known as JSON`);
  }
}
