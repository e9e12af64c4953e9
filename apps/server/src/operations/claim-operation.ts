import { eq, notInArray, sql, type SQL } from "drizzle-orm";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { operations } from "../store/schema.js";
import type { OperationRow } from "./operation.js";
import { isStarting } from "./queue-order.js";

export interface ClaimOptions {
  readonly hostId: string;
  readonly instanceId: string;
  readonly leaseMs: number;
  /** Most operations of one runtime that start an agent on this host, over all processes. */
  readonly perRuntime: number;
  /** Whether this process has a slot for what starts, and for what stops an agent. */
  readonly hasSlot: { readonly starting: boolean; readonly stopping: boolean };
  /** What this process runs: its own leases are its own to judge. */
  readonly runningIds: readonly string[];
}

/** A moment from now on the clock of the database, which is the same for all processes. */
export function fromNow(ms: number): SQL {
  return sql`clock_timestamp() + ${ms} * interval '1 millisecond'`;
}

/**
 * Takes the oldest operation that this host may run: one that is queued and whose runtime is below
 * its limit, or one whose worker let its lease run out.
 */
export async function claimOperation(
  db: Database,
  options: ClaimOptions,
): Promise<OperationRow | undefined> {
  const { hostId, instanceId } = options;
  return db.transaction(async (tx) => {
    // One at a time for each host, so that two processes do not both take the last place of a runtime.
    await tx.execute(sql`select pg_advisory_xact_lock(7260633, hashtext(${hostId}))`);
    const id = await findClaimable(tx, options);
    if (id === undefined) return undefined;
    const [row] = await tx
      .update(operations)
      .set({
        state: "running",
        attempt: sql`${operations.attempt} + 1`,
        takeovers: sql`${operations.takeovers} + (${operations.state} = 'running')::int`,
        hostId,
        claimedBy: instanceId,
        leaseExpiresAt: fromNow(options.leaseMs),
        notBefore: null,
        stage: null,
        stageStartedAt: null,
        progressAt: sql`clock_timestamp()`,
        startedAt: sql`coalesce(${operations.startedAt}, clock_timestamp())`,
      })
      .where(eq(operations.id, id))
      .returning();
    if (row === undefined) return undefined;
    await recordEvents(tx, [
      {
        type: "OPERATION_STARTED",
        workspaceId: row.workspaceId,
        operationId: row.id,
        actor: "system:worker",
        payload: { kind: row.kind, attempt: row.attempt, host_id: hostId },
      },
    ]);
    return row;
  });
}

async function findClaimable(tx: Database, options: ClaimOptions): Promise<string | undefined> {
  const { hostId, perRuntime, hasSlot, runningIds } = options;
  const [found] = await queryRows<{ id: string }>(
    tx,
    sql`
      with busy as (
        select runtime, count(*)::int as running from operations
        where state = 'running' and host_id = ${hostId} and ${isStarting("operations")}
        group by runtime
      )
      select operations.id
      from operations left join busy on busy.runtime = operations.runtime
      where case when ${isStarting("operations")} then ${hasSlot.starting}::boolean else ${hasSlot.stopping}::boolean end
        and (
          operations.state = 'queued'
            and (operations.host_id is null or operations.host_id = ${hostId})
            and (operations.not_before is null or operations.not_before <= clock_timestamp())
            and (not ${isStarting("operations")} or coalesce(busy.running, 0) < ${perRuntime})
          or operations.state = 'running'
            and operations.host_id = ${hostId}
            and operations.lease_expires_at <= clock_timestamp()
            and ${notInArray(operations.id, [...runningIds])}
        )
      order by operations.created_at, operations.id
      limit 1
      for update of operations skip locked`,
  );
  return found?.id;
}

export interface QueueOutlook {
  /** There is something to claim, unless its runtime is at its limit. */
  readonly isReady: boolean;
  /** Milliseconds until a back-off or somebody's lease ends; undefined when none is pending. */
  readonly dueMs: number | undefined;
}

/** What this host may expect of the queue: one statement, for the many times there is nothing. */
export async function lookAtQueue(
  db: Database,
  hostId: string,
  runningIds: readonly string[],
): Promise<QueueOutlook> {
  const [found] = await queryRows<{ ready: boolean | null; due: number | null }>(
    db,
    sql`
      select
        bool_or(moment <= clock_timestamp()) as ready,
        (extract(epoch from min(moment) filter (where moment > clock_timestamp())
          - clock_timestamp()) * 1000)::float8 as due
      from (
        select case state when 'queued' then coalesce(not_before, '-infinity')
          else lease_expires_at end as moment
        from operations
        where state = 'queued' and (host_id is null or host_id = ${hostId})
          or state = 'running' and host_id = ${hostId} and ${notInArray(operations.id, [...runningIds])}
      ) as pending`,
  );
  return { isReady: found?.ready ?? false, dueMs: found?.due ?? undefined };
}

/** An embedded store has one process, so whoever else holds a lease in it is dead. */
export async function expireLeasesOfOthers(db: Database, instanceId: string): Promise<void> {
  await db.execute(sql`
    update operations set lease_expires_at = clock_timestamp()
    where state = 'running' and claimed_by is distinct from ${instanceId}`);
}
