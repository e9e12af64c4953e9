import type { OperationRow } from "../operations/operation.js";
import type { OperationView } from "./operation-view.js";

/** `position` is for a queued operation; see `OperationQueue.position`. */
export function toOperationView(row: OperationRow, position?: number): OperationView {
  return {
    id: row.id,
    workspace_id: row.workspaceId,
    kind: row.kind,
    state: row.state,
    requested_by: row.requestedBy,
    attempt: row.attempt,
    host_id: row.hostId,
    stage: row.stage,
    stage_started_at: toMoment(row.stageStartedAt),
    progress_at: toMoment(row.progressAt),
    position: position ?? null,
    cancel_requested: row.cancelRequestedAt !== null,
    timings:
      row.timings?.map(({ stage, durationMs }) => ({ stage, duration_ms: durationMs })) ?? null,
    error:
      row.errorCode === null
        ? null
        : {
            code: row.errorCode,
            message: row.errorMessage ?? "",
            hint: row.errorHint,
            log_tail: row.logTail,
          },
    created_at: row.createdAt.toISOString(),
    started_at: toMoment(row.startedAt),
    finished_at: toMoment(row.finishedAt),
  };
}

function toMoment(date: Date | null): string | null {
  return date === null ? null : date.toISOString();
}
