import type { JsonObject } from "@molecule-ai/core";
import { sql, type InferSelectModel } from "drizzle-orm";
import type { Database } from "./database.js";
import type { events } from "./schema.js";

export type EventRow = InferSelectModel<typeof events>;

/** Names of the existing platform first; the others are ours. */
export const EVENT_TYPES = [
  "WORKSPACE_PROVISIONING",
  "WORKSPACE_ONLINE",
  "WORKSPACE_OFFLINE",
  "WORKSPACE_DEGRADED",
  "WORKSPACE_PROVISION_FAILED",
  "WORKSPACE_PAUSED",
  "WORKSPACE_HIBERNATED",
  "WORKSPACE_REMOVED",
  "WORKSPACE_AWAITING_AGENT",
  "AGENT_CARD_UPDATED",
  "WORKSPACE_UPDATED",
  "WORKSPACE_PURGED",
  "OPERATION_QUEUED",
  "OPERATION_STARTED",
  "OPERATION_STAGE",
  "OPERATION_RETRIED",
  "OPERATION_SUCCEEDED",
  "OPERATION_FAILED",
  "OPERATION_CANCELLED",
  "SECRET_SAVED",
  "SECRET_DELETED",
  "CONFIG_UPDATED",
  "TOKEN_ISSUED",
  "TOKEN_REVOKED",
  "IMAGES_REFRESHED",
  "IMAGE_PINNED",
  "IMAGE_UNPINNED",
  "TIER_REFUSED",
  "ADMISSION_WARNED",
  "ADMISSION_REFUSED",
  "ORPHANS_SWEPT",
  "HOST_RETIRED",
] as const;
export type EventType = (typeof EVENT_TYPES)[number];

export interface NewEvent {
  readonly type: EventType;
  readonly workspaceId?: string | undefined;
  readonly operationId?: string | undefined;
  /** `admin`, `workspace:<id>` or `system:<what>`. */
  readonly actor: string;
  readonly requestId?: string | undefined;
  /** Never a secret. */
  readonly payload?: JsonObject | undefined;
}

/**
 * Records what happened, in the caller's transaction; listeners hear of it when that commits.
 *
 * Call it last in a transaction: it takes a lock until the commit, so that ids are in the order of
 * commits and a reader who has seen id n has seen everything before n.
 */
export async function recordEvents(tx: Database, recorded: readonly NewEvent[]): Promise<void> {
  if (recorded.length === 0) return;
  const rows = recorded.map(({ type, workspaceId, operationId, actor, requestId, payload }) => ({
    event_type: type,
    workspace_id: workspaceId,
    operation_id: operationId,
    actor,
    request_id: requestId,
    payload: payload ?? {},
  }));
  // One statement, because each is a way to the database and back, and everybody who records waits
  // for the lock. It is taken before the first id is: ids are made for rows that the join has found.
  // Not now() for the moment: that is when the transaction began.
  await tx.execute(sql`
    with locked as materialized (
      select pg_advisory_xact_lock(7260632), pg_notify('molecule_events', '')
    )
    insert into structure_events
      (event_type, workspace_id, operation_id, actor, request_id, payload, created_at)
    select event_type, workspace_id, operation_id, actor, request_id, payload, clock_timestamp()
    from locked cross join rows from (
      jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as (
        event_type text, workspace_id uuid, operation_id uuid, actor text, request_id text,
        payload jsonb
      )
    ) with ordinality as event (
      event_type, workspace_id, operation_id, actor, request_id, payload, place
    )
    order by place`);
}
