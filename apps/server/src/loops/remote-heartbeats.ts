import { sql } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { cadenceOf } from "./cadence.js";
import type { Loop } from "./loop.js";

const MOST_NAMED = 20;

/**
 * Takes external agents that fell silent for offline. An agent in a container is not judged by its
 * silence: its process is seen to run, and doubt is not death; it is only counted.
 */
export function createRemoteHeartbeatsLoop(context: Pick<ServerContext, "config" | "store">): Loop {
  const { db } = context.store;
  const { remoteStaleAfterMs } = context.config;
  return {
    ...cadenceOf("remote-heartbeats"),
    async run({ signal }) {
      const stale = await findSilent(db, { isExternal: true, staleMs: remoteStaleAfterMs });
      let offline = 0;
      for (const id of stale) {
        signal.throwIfAborted();
        if (await takeOffline(db, id, remoteStaleAfterMs)) offline += 1;
      }
      const silent = await findSilent(db, { isExternal: false, staleMs: remoteStaleAfterMs });
      return {
        offline,
        silent_containers: silent.length,
        silent_ids: silent.slice(0, MOST_NAMED),
      };
    },
  };
}

/** The same rule for all: the last beat counts, or the last change where there never was one. */
export function isSilent(
  row: {
    readonly lastHeartbeatAt: Date | null;
    readonly updatedAt: Date;
  },
  { now, staleMs }: { readonly now: number; readonly staleMs: number },
): boolean {
  return now - (row.lastHeartbeatAt ?? row.updatedAt).getTime() >= staleMs;
}

async function findSilent(
  db: Database,
  { isExternal, staleMs }: { readonly isExternal: boolean; readonly staleMs: number },
): Promise<string[]> {
  // A container whose agent never beat does not beat: only one that stopped is worth a word.
  const since = isExternal ? sql`coalesce(last_heartbeat_at, updated_at)` : sql`last_heartbeat_at`;
  const rows = await queryRows<{ id: string }>(
    db,
    sql`
      select id from workspaces
      where status in ('online', 'degraded') and (runtime = 'external') = ${isExternal}
        and ${since} <= now() - ${`${staleMs} ms`}::interval
      order by id`,
  );
  return rows.map(({ id }) => id);
}

async function takeOffline(db: Database, id: string, staleMs: number): Promise<boolean> {
  return db.transaction(async (tx) => {
    // It may have beaten since it was found.
    const row = await lockWorkspace(tx, id);
    const [time] = await queryRows<{ ms: number }>(
      tx,
      sql`select (extract(epoch from now()) * 1000)::float8 as ms`,
    );
    if (row === undefined || time === undefined) return false;
    if (!isSilent(row, { now: time.ms, staleMs })) return false;
    if ((await transition(tx, id, "lose")) === undefined) return false;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_OFFLINE",
        workspaceId: id,
        actor: "system:remote-heartbeats",
        payload: {
          runtime: row.runtime,
          stale_after_secs: Math.round(staleMs / 1000),
          source: "remote_heartbeats",
        },
      },
    ]);
    return true;
  });
}
