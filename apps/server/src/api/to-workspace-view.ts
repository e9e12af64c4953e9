import type { WorkspaceRow } from "../store/workspaces.js";
import type {
  OwnWorkspaceView,
  PublicWorkspaceView,
  WhyView,
  WorkspaceView,
  WorkspaceWhyView,
} from "./workspace-view.js";

/** The part of an operation that tells why a workspace is what it is. */
export interface LastOperation {
  readonly id: string;
  readonly kind: string;
  readonly state: string;
  readonly stage: string | null;
  readonly errorCode: string | null;
  readonly errorMessage: string | null;
  readonly errorHint: string | null;
  readonly logTail: string | null;
}

export function toPublicWorkspaceView(row: WorkspaceRow): PublicWorkspaceView {
  return {
    id: row.id,
    name: row.name,
    role: row.role,
    tier: row.tier,
    status: row.status,
    runtime: row.runtime,
    model: row.model,
    agent_card: row.agentCard,
    url: row.url,
    parent_id: row.parentId,
    forwarded_to: row.forwardedTo,
    workspace_access: row.workspaceAccess as PublicWorkspaceView["workspace_access"],
    max_concurrent_tasks: row.maxConcurrentTasks,
    active_tasks: row.activeTasks,
    uptime_seconds: row.uptimeSeconds,
    last_error_rate: row.lastErrorRate,
    last_heartbeat_at: toMoment(row.lastHeartbeatAt),
    last_outbound_at: toMoment(row.lastOutboundAt),
    hibernation_idle_minutes: row.hibernationIdleMinutes,
    collapsed: row.collapsed,
    x: row.canvasX,
    y: row.canvasY,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}

export function toOwnWorkspaceView(
  row: WorkspaceRow,
  last: LastOperation | undefined,
): OwnWorkspaceView {
  return {
    ...toPublicWorkspaceView(row),
    template: row.template,
    tier_applied: row.tierApplied,
    image: row.imageRef,
    runtime_image_digest: row.imageDigest,
    image_revision: row.imageRevision,
    image_tree: row.imageTree,
    host_id: row.hostId,
    provision_started_at: toMoment(row.provisionStartedAt),
    removed_at: toMoment(row.removedAt),
    admission: row.admission,
    why: toWhyView(row, last),
  };
}

export function toWorkspaceWhyView(
  row: WorkspaceRow,
  last: LastOperation | undefined,
): WorkspaceWhyView {
  return {
    id: row.id,
    name: row.name,
    runtime: row.runtime,
    status: row.status,
    tier: row.tier,
    tier_applied: row.tierApplied,
    image: row.imageRef,
    image_id: row.imageId,
    runtime_image_digest: row.imageDigest,
    image_revision: row.imageRevision,
    image_tree: row.imageTree,
    host_id: row.hostId,
    provenance: row.imageProvenance,
    admission: row.admission,
    why: toWhyView(row, last),
  };
}

/** `provisionTimeoutMs` is what the runtime's template declares. */
export function toWorkspaceView(
  row: WorkspaceRow,
  last: LastOperation | undefined,
  provisionTimeoutMs?: number,
): WorkspaceView {
  return {
    ...toOwnWorkspaceView(row, last),
    awareness_namespace: row.awarenessNamespace,
    workspace_dir: row.workspaceDir,
    budget_limit: row.budgetLimit,
    monthly_spend: row.monthlySpend,
    current_task: row.currentTask,
    last_sample_error: row.lastSampleError,
    runtime_state: row.runtimeState,
    ...(provisionTimeoutMs === undefined ? {} : { provision_timeout_ms: provisionTimeoutMs }),
  };
}

function toWhyView(row: WorkspaceRow, last: LastOperation | undefined): WhyView {
  // An agent that failed by itself has an operation that ended well, or was cancelled for it.
  const ownFault =
    (row.status === "failed" || row.status === "degraded") && last?.state !== "failed"
      ? row.lastSampleError
      : "";
  return {
    operation_id: last?.id ?? null,
    kind: last?.kind ?? null,
    state: last?.state ?? null,
    stage: last?.stage ?? null,
    code: last?.errorCode ?? null,
    message: ownFault === "" ? (last?.errorMessage ?? null) : ownFault,
    hint: last?.errorHint ?? null,
    log_tail: last?.logTail ?? null,
  };
}

function toMoment(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
