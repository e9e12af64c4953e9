import type { JsonObject } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { isRetryDue } from "./retry-delay.js";
import { sqlList } from "./sql-list.js";

const MOST_PER_RUN = 50;

interface Unfinished {
  readonly id: string;
  readonly runtime: string;
  readonly host_id: string | null;
  /** What was asked for: whether storage is kept, whether the row goes too. */
  readonly params: JsonObject | null;
  readonly failures: number;
  readonly since_ms: number;
}

/** Asks again for removals that failed, of workspaces of this engine; says how many. */
export async function retryRemovals(
  { operations, store }: Pick<ServerContext, "operations" | "store">,
  { hostId, signal }: { readonly hostId: string; readonly signal: AbortSignal },
): Promise<number> {
  const { db } = store;
  const open = sql`exists (select 1 from operations u where u.workspace_id = w.id
    and u.state in (${sqlList(UNFINISHED_STATES)}))`;
  const rows = await queryRows<Unfinished>(
    db,
    sql`
      select w.id, w.runtime, w.host_id, count(o.id)::int as failures,
        (array_agg(o.params order by o.created_at desc))[1] as params,
        (extract(epoch from now() - coalesce(max(o.finished_at), w.removed_at, w.updated_at))
          * 1000)::float8 as since_ms
      from workspaces w
      left join operations o on o.workspace_id = w.id and o.kind = 'remove'
      where w.status = 'removed' and w.runtime <> 'external'
        and (w.host_id = ${hostId} or w.host_id is null) and not ${open}
      group by w.id
      having bool_and(coalesce(o.state in ('failed', 'cancelled'), true))
        -- Without any, it was deleted just now, or its removal is long past and dropped.
        and (count(o.id) > 0 or coalesce(w.removed_at, w.updated_at) > now() - interval '1 day')
      order by since_ms desc limit ${MOST_PER_RUN}`,
  );
  let asked = 0;
  for (const row of rows) {
    signal.throwIfAborted();
    if (!isRetryDue(row.failures, row.since_ms)) continue;
    await db.transaction(async (tx) => {
      const held = await lockWorkspace(tx, row.id);
      if (held?.status !== "removed") return;
      const { events } = await operations.request(tx, {
        workspaceId: row.id,
        runtime: row.runtime,
        kind: "remove",
        hostId: row.host_id ?? undefined,
        params: row.params ?? { keepVolumes: held.keepVolumes },
        requestedBy: "system:orphans",
      });
      await recordEvents(tx, events);
      asked += 1;
    });
  }
  return asked;
}
