import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { transition, type WorkspaceRow } from "../store/workspaces.js";
import { holdUnchanged } from "./hold-unchanged.js";
import { planRecovery, RECOVERY_WINDOW_MS, type RecoveryPlan } from "./plan-recovery.js";

const ACTOR = "system:health";

/** What a lost workspace left, safe to show. */
export interface Loss {
  readonly message: string;
  readonly exitCode: number | undefined;
  readonly logTail: readonly string[];
}

/** What was written: nothing when the workspace changed since its container was looked at. */
export type Recovery = readonly ("lost" | "restarted" | "waiting" | "gaveUp")[];

/**
 * Writes that a workspace is lost, and what follows from it, in one transaction: nobody sees it
 * offline without the operation that brings it back.
 */
export async function recover(
  { operations, store }: Pick<ServerContext, "operations" | "store">,
  seen: { readonly id: string; readonly version: number },
  options: {
    readonly hostId: string;
    readonly loss: Loss;
    /** The engine itself restarted it, in vain. */
    readonly isHopeless: boolean;
  },
): Promise<Recovery> {
  const { loss, hostId } = options;
  const { id } = seen;
  return store.db.transaction(async (tx) => {
    const row = await holdUnchanged(tx, seen);
    if (row === undefined) return [];
    const recent = await readRecent(tx, id);
    const plan: RecoveryPlan = options.isHopeless ? { kind: "giveUp" } : planRecovery(recent);
    const isNew = row.status !== "offline";
    if (isNew && (await transition(tx, id, "lose")) === undefined) return [];
    const events: NewEvent[] = isNew ? [offlineEvent(row, loss)] : [];
    const done: ("lost" | "restarted" | "waiting" | "gaveUp")[] = isNew ? ["lost"] : [];
    switch (plan.kind) {
      case "restart": {
        const patch = { provisionStartedAt: null };
        if ((await transition(tx, id, "recreate", { patch })) === undefined) break;
        const requested = await operations.request(tx, {
          workspaceId: id,
          runtime: row.runtime,
          kind: "restart",
          hostId,
          requestedBy: ACTOR,
        });
        events.push(
          {
            type: "WORKSPACE_PROVISIONING",
            workspaceId: id,
            operationId: requested.operation.id,
            actor: ACTOR,
            payload: { name: row.name, tier: row.tier, runtime: row.runtime },
          },
          ...requested.events,
        );
        done.push("restarted");
        break;
      }
      case "wait":
        done.push("waiting");
        break;
      case "giveUp": {
        const error = `It is not restarted any more. ${loss.message}`;
        const patch = { lastSampleError: error };
        if ((await transition(tx, id, "giveUp", { patch })) === undefined) break;
        events.push(failedEvent(row, loss, error, recent.restarts));
        done.push("gaveUp");
        break;
      }
      default:
        plan satisfies never;
    }
    await recordEvents(tx, events);
    return done;
  });
}

function offlineEvent({ id, runtime }: WorkspaceRow, loss: Loss): NewEvent {
  return {
    type: "WORKSPACE_OFFLINE",
    workspaceId: id,
    actor: ACTOR,
    payload: {
      runtime,
      reason: loss.message,
      exit_code: loss.exitCode ?? null,
      source: "health",
    },
  };
}

function failedEvent(
  { id, runtime }: WorkspaceRow,
  loss: Loss,
  error: string,
  restarts: number,
): NewEvent {
  return {
    type: "WORKSPACE_PROVISION_FAILED",
    workspaceId: id,
    actor: ACTOR,
    payload: {
      error,
      runtime,
      restarts,
      source: "health",
      exit_code: loss.exitCode ?? null,
      log_tail: loss.logTail.join("\n"),
    },
  };
}

/** The operations are the memory: it outlives this process, and every process has the same. */
async function readRecent(
  tx: Database,
  id: string,
): Promise<{ readonly restarts: number; readonly sinceLastMs: number | undefined }> {
  const [row] = await queryRows<{ restarts: number; since_ms: number | null }>(
    tx,
    sql`
      select count(*)::int as restarts,
        (extract(epoch from now() - max(coalesce(finished_at, created_at))) * 1000)::float8
          as since_ms
      from operations
      where workspace_id = ${id} and kind = 'restart' and requested_by = ${ACTOR}
        and created_at > now() - ${`${RECOVERY_WINDOW_MS} ms`}::interval`,
  );
  return { restarts: row?.restarts ?? 0, sinceLastMs: row?.since_ms ?? undefined };
}
