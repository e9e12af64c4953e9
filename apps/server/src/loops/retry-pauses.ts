import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { queryRows } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { isRetryDue } from "./retry-delay.js";

const MOST_PER_RUN = 50;

/**
 * Stops workspaces of this engine that are paused and may run all the same, because what was last
 * done to them is not a pause that succeeded; says how many.
 */
export async function retryPauses(
  { operations, store }: Pick<ServerContext, "operations" | "store">,
  { hostId, signal }: { readonly hostId: string; readonly signal: AbortSignal },
): Promise<number> {
  const { db } = store;
  const rows = await queryRows<{
    readonly id: string;
    readonly runtime: string;
    readonly last_id: string;
    readonly failures: number;
    readonly since_ms: number;
  }>(
    db,
    sql`
      select w.id, w.runtime, last.id as last_id,
        (select count(*)::int from operations o where o.workspace_id = w.id
          and o.kind = 'pause' and o.state = 'failed'
          and o.created_at > now() - interval '1 day') as failures,
        (extract(epoch from now() - last.finished_at) * 1000)::float8 as since_ms
      from workspaces w join operations last on last.id = w.last_operation_id
      where w.status = 'paused' and w.host_id = ${hostId} and w.runtime <> 'external'
        and (last.state in ('failed', 'cancelled')
          or last.state = 'succeeded' and last.kind <> 'pause')
      order by since_ms desc limit ${MOST_PER_RUN}`,
  );
  let asked = 0;
  for (const row of rows) {
    signal.throwIfAborted();
    if (!isRetryDue(row.failures, row.since_ms)) continue;
    await db.transaction(async (tx) => {
      const held = await lockWorkspace(tx, row.id);
      if (held?.status !== "paused" || held.lastOperationId !== row.last_id) return;
      const { events } = await operations.request(tx, {
        workspaceId: row.id,
        runtime: row.runtime,
        kind: "pause",
        hostId,
        requestedBy: "system:orphans",
      });
      await recordEvents(tx, events);
      asked += 1;
    });
  }
  return asked;
}
