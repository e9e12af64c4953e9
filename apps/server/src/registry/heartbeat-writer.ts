import { sql } from "drizzle-orm";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { judgeHeartbeat, type Heartbeat } from "./heartbeat.js";

/** Longest wait of a heartbeat for others to be written with it. */
const COLLECT_MS = 25;
const MOST_TOGETHER = 200;

/** A heartbeat and who sent it. */
export interface SentHeartbeat {
  readonly workspaceId: string;
  readonly beat: Heartbeat;
  /** The token it was sent with. */
  readonly tokenId: string | undefined;
  readonly actor: string;
  readonly requestId: string | undefined;
}

/** Writes heartbeats that come at about the same time with one statement. */
export interface HeartbeatWriter {
  /**
   * Resolves once the heartbeat, and the change of status it meant, are durable. False when there is
   * no such workspace, or none any more. One that is paused or hibernated is left as it is.
   */
  write(sent: SentHeartbeat): Promise<boolean>;
}

interface Waiting {
  readonly sent: SentHeartbeat;
  readonly resolve: (isThere: boolean) => void;
  readonly reject: (error: unknown) => void;
}

interface WrittenRow {
  readonly id: string;
  readonly status: WorkspaceStatus;
  readonly was_runtime_state: string;
  readonly manages_status: boolean;
  readonly is_of_earlier_attempt: boolean;
}

export function createHeartbeatWriter({ db }: { readonly db: Database }): HeartbeatWriter {
  let waiting: Waiting[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isWriting = false;

  const flush = async (): Promise<void> => {
    clearTimeout(timer);
    timer = undefined;
    // What comes while a batch is written goes with the next one.
    if (isWriting) return;
    isWriting = true;
    while (waiting.length > 0) {
      const batch = waiting.slice(0, MOST_TOGETHER);
      waiting = waiting.slice(MOST_TOGETHER);
      await writeBatch(db, batch);
    }
    isWriting = false;
  };

  return {
    write: (sent) =>
      new Promise((resolve, reject) => {
        waiting.push({ sent, resolve, reject });
        if (waiting.length >= MOST_TOGETHER) void flush();
        else timer ??= setTimeout(() => void flush(), COLLECT_MS);
      }),
  };
}

/** Never rejects: each heartbeat hears of its own end. */
async function writeBatch(db: Database, batch: readonly Waiting[]): Promise<void> {
  const waitingById = new Map<string, Waiting[]>();
  for (const item of batch) {
    const { workspaceId } = item.sent;
    waitingById.set(workspaceId, [...(waitingById.get(workspaceId) ?? []), item]);
  }
  let written: readonly WrittenRow[];
  try {
    written = await writeLiveness(db, batch, { waitForLocks: false });
  } catch (error) {
    for (const { reject } of batch) reject(error);
    return;
  }
  for (const row of written) {
    const group = waitingById.get(row.id) ?? [];
    waitingById.delete(row.id);
    await settle(group, async () => {
      const last = group.at(-1);
      if (last !== undefined) await applyStatus(db, row, last.sent);
      return true;
    });
  }
  // Locked by another transaction, at rest, or not there. These wait alone, each for one row: a
  // statement that waited while it holds other rows could be part of a deadlock.
  for (const group of waitingById.values()) void settle(group, () => writeAlone(db, group));
}

async function settle(group: readonly Waiting[], work: () => Promise<boolean>): Promise<void> {
  try {
    const isThere = await work();
    for (const { resolve } of group) resolve(isThere);
  } catch (error) {
    for (const { reject } of group) reject(error);
  }
}

async function writeAlone(db: Database, group: readonly Waiting[]): Promise<boolean> {
  const last = group.at(-1);
  if (last === undefined) return true;
  const [row] = await writeLiveness(db, [last], { waitForLocks: true });
  if (row !== undefined) {
    await applyStatus(db, row, last.sent);
    return true;
  }
  const resting = await queryRows(
    db,
    sql`select 1 from workspaces where id = ${last.sent.workspaceId} and status <> 'removed'`,
  );
  return resting.length > 0;
}

/**
 * Says for each workspace that it is alive now. Neither `version` nor `updated_at` moves: a heartbeat
 * is no change that another writer would have to know of. Of two heartbeats the later one counts.
 */
function writeLiveness(
  db: Database,
  batch: readonly Pick<Waiting, "sent">[],
  options: { readonly waitForLocks: boolean },
): Promise<WrittenRow[]> {
  const beats = new Map(
    batch.map(({ sent: { workspaceId, tokenId, beat } }) => [
      workspaceId,
      {
        id: workspaceId,
        token_id: tokenId,
        error_rate: beat.errorRate,
        sample_error: beat.sampleError,
        active_tasks: beat.activeTasks,
        uptime_seconds: beat.uptimeSeconds,
        current_task: beat.currentTask,
        runtime_state: beat.runtimeState,
        monthly_spend: beat.monthlySpend,
        manages_status: beat.managesStatus,
      },
    ]),
  );
  // As a list, so that the planner knows how many there are and looks each up.
  const ids = sql.join(
    [...beats.keys()].map((id) => sql`${id}::uuid`),
    sql`, `,
  );
  return queryRows<WrittenRow>(
    db,
    sql`
      with beats as (
        select * from jsonb_to_recordset(${JSON.stringify([...beats.values()])}::jsonb) as beat (
          id uuid, token_id uuid, error_rate float8, sample_error text, active_tasks int,
          uptime_seconds int, current_task text, runtime_state text, monthly_spend bigint,
          manages_status boolean
        )
      ), alive as (
        select w.id, w.runtime_state
        from workspaces w
        where w.id in (${ids}) and w.status not in ('removed', 'paused', 'hibernated')
        for no key update ${options.waitForLocks ? sql`` : sql`skip locked`}
      )
      update workspaces w set
        last_heartbeat_at = clock_timestamp(),
        last_error_rate = beat.error_rate,
        last_sample_error = beat.sample_error,
        active_tasks = beat.active_tasks,
        last_active_at = case
          when beat.active_tasks > 0 or beat.current_task <> '' then clock_timestamp()
          else w.last_active_at
        end,
        uptime_seconds = beat.uptime_seconds,
        current_task = beat.current_task,
        runtime_state = beat.runtime_state,
        monthly_spend = coalesce(beat.monthly_spend, w.monthly_spend),
        manages_status = coalesce(beat.manages_status, w.manages_status)
      from alive join beats beat on beat.id = alive.id
      where w.id = alive.id
      returning w.id, w.status, w.manages_status, alive.runtime_state as was_runtime_state,
        w.status = 'provisioning' and coalesce(
          (select operation_id from auth_tokens where id = beat.token_id) <> w.last_operation_id,
          false
        ) as is_of_earlier_attempt`,
  );
}

const EVENTS = {
  beat: "WORKSPACE_ONLINE",
  recover: "WORKSPACE_ONLINE",
  degrade: "WORKSPACE_DEGRADED",
} as const;

/** Changes the status when the heartbeat means that, unless somebody else changed it meanwhile. */
async function applyStatus(db: Database, row: WrittenRow, sent: SentHeartbeat): Promise<void> {
  const { beat, actor, requestId } = sent;
  const name = judgeHeartbeat(
    {
      status: row.status,
      runtimeState: row.was_runtime_state,
      managesStatus: row.manages_status,
      isOfEarlierAttempt: row.is_of_earlier_attempt,
    },
    beat,
  );
  if (name === undefined) return;
  await db.transaction(async (tx) => {
    const changed = await transition(tx, row.id, name);
    if (changed === undefined) return;
    await recordEvents(tx, [
      {
        type: EVENTS[name],
        workspaceId: row.id,
        actor,
        requestId,
        payload: {
          from: row.status,
          ...(name === "beat"
            ? {}
            : {
                error_rate: beat.errorRate,
                sample_error: beat.sampleError,
                runtime_state: beat.runtimeState,
              }),
        },
      },
    ]);
  });
}
