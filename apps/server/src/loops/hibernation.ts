import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { transition, type WorkspaceRow } from "../store/workspaces.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { cadenceOf } from "./cadence.js";
import type { Loop } from "./loop.js";

const ACTOR = "system:hibernation";

/**
 * True for a workspace that has had nothing to do for as long as its owner allows. Its heartbeats say
 * that it lives, not that it is used: an agent that is well beats twice a minute.
 */
export function isIdle(
  row: Pick<
    WorkspaceRow,
    | "status"
    | "runtime"
    | "activeTasks"
    | "hibernationIdleMinutes"
    | "lastActiveAt"
    | "lastOutboundAt"
    | "provisionStartedAt"
    | "createdAt"
  >,
  now: number,
): boolean {
  if (row.hibernationIdleMinutes <= 0 || row.activeTasks > 0) return false;
  if (row.runtime === "external") return false;
  if (row.status !== "online" && row.status !== "degraded") return false;
  const last = Math.max(
    row.lastActiveAt?.getTime() ?? 0,
    row.lastOutboundAt?.getTime() ?? 0,
    (row.provisionStartedAt ?? row.createdAt).getTime(),
  );
  return now - last >= row.hibernationIdleMinutes * 60_000;
}

/** Puts idle workspaces to sleep that asked for it. */
export function createHibernationLoop(context: Pick<ServerContext, "operations" | "store">): Loop {
  const { db } = context.store;
  return {
    ...cadenceOf("hibernation"),
    async run({ signal }) {
      const candidates = await findCandidates(db);
      let hibernated = 0;
      for (const { id } of candidates) {
        signal.throwIfAborted();
        const done = await db.transaction(async (tx) => {
          const row = await lockWorkspace(tx, id);
          const [time] = await queryRows<{ ms: number }>(
            tx,
            sql`select (extract(epoch from now()) * 1000)::float8 as ms`,
          );
          if (row === undefined || time === undefined || !isIdle(row, time.ms)) return false;
          if ((await transition(tx, id, "hibernate")) === undefined) return false;
          const { events } = await context.operations.request(tx, {
            workspaceId: id,
            runtime: row.runtime,
            kind: "hibernate",
            hostId: row.hostId ?? undefined,
            requestedBy: ACTOR,
          });
          await recordEvents(tx, events);
          return true;
        });
        if (done) hibernated += 1;
      }
      return { candidates: candidates.length, hibernated };
    },
  };
}

/** Nothing else may be under way: an operation would be superseded by this. */
function findCandidates(db: Database): Promise<{ readonly id: string }[]> {
  return queryRows(
    db,
    sql`
      select w.id from workspaces w
      where w.hibernation_idle_minutes > 0 and w.status in ('online', 'degraded')
        and w.active_tasks = 0 and w.runtime <> 'external'
        and greatest(
            w.last_active_at, w.last_outbound_at, coalesce(w.provision_started_at, w.created_at)
          ) <= now() - make_interval(mins => w.hibernation_idle_minutes)
        and not exists (select 1 from operations o where o.workspace_id = w.id
          and o.state in ('waiting', 'queued', 'running'))
      order by w.id limit 100`,
  );
}
