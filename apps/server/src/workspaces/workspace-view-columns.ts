import { sql, type SQL } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type { WorkspaceView } from "../api/workspace-view.js";
import { operations, workspaces as w } from "../store/schema.js";

type ViewColumns = Record<Exclude<keyof WorkspaceView, "provision_timeout_ms">, PgColumn | SQL>;

/** What `toWorkspaceView` does, in SQL: a test holds the two to each other. */
const columns: ViewColumns = {
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
  last_heartbeat_at: moment(w.lastHeartbeatAt),
  last_outbound_at: moment(w.lastOutboundAt),
  hibernation_idle_minutes: w.hibernationIdleMinutes,
  collapsed: w.collapsed,
  x: w.canvasX,
  y: w.canvasY,
  created_at: moment(w.createdAt),
  updated_at: moment(w.updatedAt),
  template: w.template,
  tier_applied: w.tierApplied,
  image: w.imageRef,
  runtime_image_digest: w.imageDigest,
  image_revision: w.imageRevision,
  image_tree: w.imageTree,
  host_id: w.hostId,
  provision_started_at: moment(w.provisionStartedAt),
  removed_at: moment(w.removedAt),
  awareness_namespace: w.awarenessNamespace,
  workspace_dir: w.workspaceDir,
  budget_limit: w.budgetLimit,
  monthly_spend: w.monthlySpend,
  current_task: w.currentTask,
  last_sample_error: w.lastSampleError,
  runtime_state: w.runtimeState,
  why: sql`json_build_object(
    'operation_id', ${operations.id},
    'kind', ${operations.kind},
    'state', ${operations.state},
    'stage', ${operations.stage},
    'code', ${operations.errorCode},
    'message', case
      when ${w.status} in ('failed', 'degraded') and ${operations.state} is distinct from 'failed'
        and ${w.lastSampleError} <> '' then ${w.lastSampleError}
      else ${operations.errorMessage} end,
    'hint', ${operations.errorHint},
    'log_tail', null)`,
};

/** The columns of a workspace as clients see it; for a query on workspaces and their operations. */
export const workspaceViewColumns: SQL = sql.join(
  Object.entries(columns).map(([name, column]) => sql`${column} as ${sql.identifier(name)}`),
  sql`, `,
);

function moment(column: PgColumn): SQL {
  return sql`to_char(${column} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
