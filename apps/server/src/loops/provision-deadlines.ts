import type { Stage } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import { createStageDeadlines } from "../operations/stage-deadlines.js";
import type { ServerContext } from "../server-context.js";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { cadenceOf } from "./cadence.js";
import { sqlList } from "./sql-list.js";
import type { Loop } from "./loop.js";
import { judgeProvision } from "./judge-provision.js";

const ACTOR = "system:provision-deadlines";
/** How long a cancelled operation may take to end before the next round looks again. */
const CANCEL_MS = 10_000;

interface Candidate {
  readonly id: string;
  readonly runtime: string;
  readonly age_ms: number | null;
  readonly quiet_ms: number;
  readonly operation_id: string | null;
  readonly stage: Stage | null;
  readonly idle_ms: number | null;
  readonly is_queued: boolean | null;
  readonly queue_idle_ms: number | null;
}

/**
 * Fails provisions that will not end by themselves. The worker of an operation keeps its deadlines;
 * this catches what no worker holds.
 */
export function createProvisionDeadlinesLoop(
  context: Pick<ServerContext, "config" | "operations" | "store" | "templates">,
): Loop {
  const { config, operations, templates } = context;
  const { db } = context.store;

  /** All at once: a worker that is gone keeps nobody else waiting. */
  const cancelAll = async (ids: readonly string[], signal: AbortSignal): Promise<void> => {
    for (const id of ids) await operations.cancel(id, { actor: ACTOR });
    const patience = AbortSignal.any([signal, AbortSignal.timeout(CANCEL_MS)]);
    await Promise.all(ids.map((id) => operations.settled(id, { signal: patience })));
    signal.throwIfAborted();
  };

  return {
    ...cadenceOf("provision-deadlines"),
    async run({ signal }) {
      const deadlineOf = createStageDeadlines({
        overrideMs: config.provisionTimeoutMs,
        ofTemplatesMs: await templates.provisionTimeouts(),
      });
      const judged = (await findProvisioning(db)).map((candidate) => {
        const { id, runtime, operation_id: operationId } = candidate;
        const timeoutMs = deadlineOf(candidate.stage ?? undefined, runtime);
        const verdict = judgeProvision(toFacts(candidate), timeoutMs);
        return { id, runtime, operationId, timeoutMs, verdict };
      });
      const stuck = judged
        .filter(({ verdict }) => verdict === "cancel")
        .flatMap(({ operationId }) => operationId ?? []);
      await cancelAll(stuck, signal);
      let failed = 0;
      for (const { id, verdict, ...rest } of judged) {
        signal.throwIfAborted();
        if (verdict !== "leave" && (await failLost(db, id, rest))) failed += 1;
      }
      return { provisioning: judged.length, cancelled: stuck.length, failed };
    },
  };
}

/** Fails a workspace that is still provisioning and has no operation that would end that. */
async function failLost(
  db: Database,
  id: string,
  { timeoutMs, runtime }: { readonly timeoutMs: number; readonly runtime: string },
): Promise<boolean> {
  const timeoutSeconds = Math.round(timeoutMs / 1000);
  const error = `The provision made no progress within its ${timeoutSeconds} s, or nobody works on it any more.`;
  return db.transaction(async (tx) => {
    await lockWorkspace(tx, id);
    const unfinished = await queryRows(
      tx,
      sql`select 1 from operations where workspace_id = ${id}
            and state in (${sqlList(UNFINISHED_STATES)}) limit 1`,
    );
    if (unfinished.length > 0) return false;
    const row = await transition(tx, id, "fail", { patch: { lastSampleError: error } });
    if (row === undefined) return false;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_PROVISION_FAILED",
        workspaceId: id,
        ...(row.lastOperationId === null ? {} : { operationId: row.lastOperationId }),
        actor: ACTOR,
        payload: {
          error,
          timeout_secs: timeoutSeconds,
          runtime,
          source: "provision_timeout_sweep",
        },
      },
    ]);
    return true;
  });
}

function toFacts(candidate: Candidate): Parameters<typeof judgeProvision>[0] {
  const { age_ms, quiet_ms, idle_ms, is_queued, queue_idle_ms } = candidate;
  return {
    ageMs: age_ms ?? undefined,
    quietMs: quiet_ms,
    operation:
      idle_ms === null
        ? undefined
        : {
            isQueued: is_queued === true,
            idleMs: idle_ms,
            queueIdleMs: queue_idle_ms ?? idle_ms,
          },
  };
}

/**
 * Workspaces that are provisioning. Their age counts from when a worker began, never from a column
 * that every change of the row moves.
 */
function findProvisioning(db: Database): Promise<Candidate[]> {
  const ms = (since: ReturnType<typeof sql>) =>
    sql`(extract(epoch from now() - ${since}) * 1000)::float8`;
  return queryRows<Candidate>(
    db,
    sql`
      select w.id, w.runtime,
        ${ms(sql`w.provision_started_at`)} as age_ms,
        ${ms(sql`greatest(w.provision_started_at, w.created_at,
            (select max(finished_at) from operations where workspace_id = w.id))`)} as quiet_ms,
        o.id as operation_id, o.stage,
        o.state in ('queued', 'waiting') as is_queued,
        ${ms(sql`greatest(o.created_at, o.started_at, o.progress_at, o.not_before)`)} as idle_ms,
        ${ms(sql`(
            select max(greatest(q.started_at, q.progress_at, q.finished_at)) from operations q
            where o.host_id is null or q.host_id = o.host_id)`)} as queue_idle_ms
      from workspaces w
      left join lateral (
        select * from operations where workspace_id = w.id
          and state in (${sqlList(UNFINISHED_STATES)})
        order by state = 'waiting' limit 1
      ) o on true
      where w.status = 'provisioning' and w.runtime <> 'external'
      order by w.id`,
  );
}
