import type { Stage } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import { createStageDeadlines, type StageDeadlines } from "../operations/stage-deadlines.js";
import type { ServerContext } from "../server-context.js";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { cadenceOf } from "./cadence.js";
import { sqlList } from "./sql-list.js";
import type { Loop } from "./loop.js";
import { judgeProvision, type ProvisionVerdict } from "./judge-provision.js";

const ACTOR = "system:provision-deadlines";

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
  return {
    ...cadenceOf("provision-deadlines"),
    async run({ signal }) {
      const deadlines = createStageDeadlines({
        overrideMs: config.provisionTimeoutMs,
        ofTemplatesMs: await templates.provisionTimeouts(),
      });
      const candidates = await findProvisioning(db);
      let failed = 0;
      let cancelled = 0;
      for (const candidate of candidates) {
        signal.throwIfAborted();
        if (judge(candidate, deadlines) === "leave") continue;
        const ended = await failOverdue(db, candidate.id, deadlines);
        if (ended === undefined) continue;
        failed += 1;
        if (ended.operationId === null) continue;
        await operations.cancel(ended.operationId, { actor: ACTOR });
        cancelled += 1;
      }
      return { provisioning: candidates.length, cancelled, failed };
    },
  };
}

function judge(candidate: Candidate, deadlines: StageDeadlines): ProvisionVerdict {
  return judgeProvision(toFacts(candidate), deadlineOf(candidate, deadlines));
}

function deadlineOf({ stage, runtime }: Candidate, deadlines: StageDeadlines): number {
  return deadlines(stage ?? undefined, runtime);
}

/**
 * Fails a workspace whose provision is still overdue once nobody else can write to it. Its operation
 * is to be cancelled after that: when it turns out that the old container still runs, or that the new
 * one does in the end, the workspace is online again.
 */
async function failOverdue(
  db: Database,
  id: string,
  deadlines: StageDeadlines,
): Promise<{ readonly operationId: string | null } | undefined> {
  return db.transaction(async (tx) => {
    await lockWorkspace(tx, id);
    const [candidate] = await findProvisioning(tx, id);
    if (candidate === undefined || judge(candidate, deadlines) === "leave") return undefined;
    const { runtime, operation_id: operationId } = candidate;
    const seconds = Math.round(deadlineOf(candidate, deadlines) / 1000);
    const error =
      operationId === null
        ? "The provision was lost: nobody works on it any more."
        : `The provision made no progress for ${seconds} s.`;
    const row = await transition(tx, id, "fail", { patch: { lastSampleError: error } });
    if (row === undefined) return undefined;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_PROVISION_FAILED",
        workspaceId: id,
        operationId: row.lastOperationId ?? undefined,
        actor: ACTOR,
        payload: { error, timeout_secs: seconds, runtime, source: "provision_timeout_sweep" },
      },
    ]);
    return { operationId };
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
function findProvisioning(db: Database, id?: string): Promise<Candidate[]> {
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
        and ${id === undefined ? sql`true` : sql`w.id = ${id}`}
      order by w.id`,
  );
}
