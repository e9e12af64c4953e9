import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import type { OperationState } from "../state/operation-state.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { cadenceOf } from "./cadence.js";
import type { Loop } from "./loop.js";

export const TOKEN_GRACE_MS = 5 * 60_000;
const MOST_PER_RUN = 200;

/** What is known of a token that was made for an attempt to start a workspace. */
export interface AttemptToken {
  readonly workspaceStatus: WorkspaceStatus;
  readonly isExternal: boolean;
  readonly operationState: OperationState;
  /** Since the attempt ended; undefined while it has not. */
  readonly endedMs: number | undefined;
  readonly wasUsedSince: boolean;
  /** The workspace has another live token. */
  readonly hasOther: boolean;
}

/** True when an attempt failed and left a token that no agent uses. */
export function isStaleToken(token: AttemptToken): boolean {
  const { workspaceStatus, operationState, endedMs } = token;
  if (operationState !== "failed" && operationState !== "cancelled") return false;
  if (endedMs === undefined || endedMs < TOKEN_GRACE_MS) return false;
  if (token.isExternal || workspaceStatus === "removed" || workspaceStatus === "provisioning") {
    return false;
  }
  // A failed replacement leaves the old container running: what it holds stays.
  return !token.wasUsedSince && (token.hasOther || workspaceStatus === "failed");
}

/** Revokes the tokens that attempts which failed have left; the attempt itself does so normally. */
export function createTokensLoop(context: Pick<ServerContext, "store" | "tokens">): Loop {
  const { db } = context.store;
  return {
    ...cadenceOf("tokens"),
    async run({ signal }) {
      let revoked = 0;
      for (const { workspace_id, operation_id } of await findAttempts(db)) {
        signal.throwIfAborted();
        revoked += await db.transaction(async (tx) => {
          await lockWorkspace(tx, workspace_id);
          const facts = await readAttempt(tx, workspace_id, operation_id);
          if (facts === undefined || !isStaleToken(facts)) return 0;
          const gone = await context.tokens.revokeOfOperation(tx, workspace_id, operation_id);
          await recordEvents(
            tx,
            gone.map(({ id, prefix }) => ({
              type: "TOKEN_REVOKED" as const,
              workspaceId: workspace_id,
              operationId: operation_id,
              actor: "system:tokens",
              payload: { token_id: id, prefix, reason: "its attempt failed" },
            })),
          );
          return gone.length;
        });
      }
      return { revoked };
    },
  };
}

function findAttempts(
  db: Database,
): Promise<{ readonly workspace_id: string; readonly operation_id: string }[]> {
  return queryRows(
    db,
    sql`
      select distinct t.workspace_id, t.operation_id
      from auth_tokens t
      join operations o on o.id = t.operation_id
      join workspaces w on w.id = t.workspace_id
      where t.revoked_at is null and o.state in ('failed', 'cancelled')
        and o.finished_at <= now() - ${`${TOKEN_GRACE_MS} ms`}::interval
        and (t.last_used_at is null or t.last_used_at <= o.finished_at)
        and w.runtime <> 'external' and w.status not in ('removed', 'provisioning')
      order by t.workspace_id, t.operation_id
      limit ${MOST_PER_RUN}`,
  );
}

async function readAttempt(
  tx: Database,
  workspaceId: string,
  operationId: string,
): Promise<AttemptToken | undefined> {
  const [row] = await queryRows<{
    status: WorkspaceStatus;
    runtime: string;
    state: OperationState;
    ended_ms: number | null;
    was_used: boolean | null;
    has_other: boolean;
  }>(
    tx,
    sql`
      select w.status, w.runtime, o.state,
        (extract(epoch from now() - o.finished_at) * 1000)::float8 as ended_ms,
        (select bool_or(last_used_at > o.finished_at) from auth_tokens
          where workspace_id = w.id and operation_id = o.id and revoked_at is null) as was_used,
        exists (select 1 from auth_tokens
          where workspace_id = w.id and revoked_at is null
            and operation_id is distinct from o.id) as has_other
      from workspaces w join operations o on o.workspace_id = w.id
      where w.id = ${workspaceId} and o.id = ${operationId}`,
  );
  if (row === undefined) return undefined;
  return {
    workspaceStatus: row.status,
    isExternal: row.runtime === "external",
    operationState: row.state,
    endedMs: row.ended_ms ?? undefined,
    wasUsedSince: row.was_used === true,
    hasOther: row.has_other,
  };
}
