import {
  readLogTail,
  type WorkspaceDetails,
  type WorkspaceSummary,
} from "@molecule-ai/provisioner-core";
import { sql } from "drizzle-orm";
import type { Host } from "../host/host.js";
import type { ServerContext } from "../server-context.js";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { cadenceOf } from "./cadence.js";
import { judgeHealth, type HealthVerdict, type WatchedWorkspace } from "./judge-health.js";
import type { Loop } from "./loop.js";
import { recover, type Loss } from "./recover.js";
import { restore, storeUrl } from "./restore.js";
import { sqlList } from "./sql-list.js";

const LOG_LINES = 20;

interface Candidate extends WatchedWorkspace {
  readonly id: string;
  /** What was read belongs to this version: whoever wrote since knows better. */
  readonly version: number;
}

type Count =
  "lost" | "restarted" | "waiting" | "gaveUp" | "restored" | "moved" | "unclear" | "doubts";

/**
 * Compares the workspaces of this engine with their containers. What the engine tells is looked at
 * first, all of them now and then; whoever has an operation under way, is paused, asleep, removed or
 * external is not looked at.
 */
export function createHealthLoop(
  context: Pick<ServerContext, "clock" | "logger" | "operations" | "redactor" | "store">,
  host: Host,
): Loop {
  const { db } = context.store;
  const { backend } = host;
  const cadence = cadenceOf("health");
  /** Workspaces that something happened to; all of them while a look at all is due. */
  let noticed = new Set<string>();
  let isAllDue = true;
  let allSeenAt = 0;

  /** Undefined: all of them. A run that nothing was noticed before is one that was due. */
  const takeNoticed = (): readonly string[] | undefined => {
    const now = context.clock.monotonic();
    const ids = [...noticed];
    noticed = new Set();
    // Notices without end must not put off a look at all.
    if (!isAllDue && ids.length > 0 && now - allSeenAt < cadence.intervalMs) return ids;
    isAllDue = false;
    allSeenAt = now;
    return undefined;
  };

  const describeLoss = async (
    id: string,
    details: WorkspaceDetails | undefined,
    signal: AbortSignal,
  ): Promise<Loss> => {
    if (details === undefined) {
      return { message: "Its container is gone.", exitCode: undefined, logTail: [] };
    }
    const log = backend.logs(id, { tail: LOG_LINES, signal });
    const logTail = await readLogTail(log, LOG_LINES, context.redactor);
    return { message: describeExit(details, logTail), exitCode: details.exitCode, logTail };
  };

  const act = async (
    candidate: Candidate,
    verdict: HealthVerdict,
    details: WorkspaceDetails | undefined,
    signal: AbortSignal,
  ): Promise<readonly Count[]> => {
    switch (verdict.kind) {
      case "fine":
        return [];
      case "unclear":
        return ["unclear"];
      case "back":
        return (await restore(db, candidate, verdict.url)) ? ["restored"] : [];
      case "moved":
        return (await storeUrl(db, candidate, verdict.url)) ? ["moved"] : [];
      case "lost":
      case "looping": {
        const loss = await describeLoss(candidate.id, details, signal);
        const isHopeless = verdict.kind === "looping";
        const done = await recover(context, candidate, { hostId: host.id, loss, isHopeless });
        // Else the engine would start it for ever.
        if (isHopeless && done.includes("gaveUp")) await backend.stop(candidate.id, { signal });
        return done;
      }
      default:
        return verdict satisfies never;
    }
  };

  const look = async (
    candidate: Candidate,
    summary: WorkspaceSummary | undefined,
    signal: AbortSignal,
  ): Promise<readonly Count[]> => {
    if (summary?.status === "running") {
      return act(candidate, judgeHealth(candidate, summary), undefined, signal);
    }
    // Asked again, for this one: a list says little, and may be older than the answer.
    const details = await backend.inspect(candidate.id, { signal });
    return act(candidate, judgeHealth(candidate, details), details, signal);
  };

  return {
    ...cadence,
    async run({ signal }) {
      const ids = takeNoticed();
      const counts: Partial<Record<Count, number>> = {};
      try {
        // The rows are read before the engine is asked: a row that changes meanwhile is left alone.
        const candidates = await findCandidates(db, host.id, ids);
        const isList = ids === undefined && candidates.length > 0;
        const listed = isList ? await backend.list({ signal }) : [];
        const found = new Map(listed.map((summary) => [summary.id, summary]));
        for (const candidate of candidates) {
          signal.throwIfAborted();
          let done: readonly Count[];
          try {
            done = await look(candidate, found.get(candidate.id), signal);
          } catch (error) {
            signal.throwIfAborted();
            context.logger.warn(
              { err: error, workspaceId: candidate.id },
              "the health of a workspace is in doubt",
            );
            done = ["doubts"];
          }
          for (const count of done) counts[count] = (counts[count] ?? 0) + 1;
        }
        const { lost = 0, restarted = 0, waiting = 0, gaveUp = 0 } = counts;
        const { restored = 0, moved = 0, unclear = 0, doubts = 0 } = counts;
        if (doubts > 0) isAllDue = true;
        return {
          looked_at: candidates.length,
          lost,
          restarted,
          waiting,
          gave_up: gaveUp,
          restored,
          moved,
          unclear,
          doubts,
        };
      } catch (error) {
        isAllDue = true;
        throw error;
      }
    },
    async watch({ signal, wake }) {
      for await (const notice of backend.watch({ signal })) {
        if (notice.type === "relisted") isAllDue = true;
        else noticed.add(notice.id);
        wake();
      }
    },
  };
}

function describeExit(
  { exitCode, oomKilled, restartCount }: WorkspaceDetails,
  logTail: readonly string[],
): string {
  const code = exitCode === undefined ? "" : ` with exit code ${exitCode}`;
  const what = oomKilled ? "Its process was ended for want of memory" : `Its process ended${code}`;
  const again = restartCount > 0 ? `, ${restartCount} restarts of the engine included` : "";
  const last = logTail.at(-1);
  return `${what}${again}. ${last === undefined ? "It wrote nothing." : `Its last line: ${last}`}`;
}

async function findCandidates(
  db: Database,
  hostId: string,
  ids: readonly string[] | undefined,
): Promise<readonly Candidate[]> {
  const which = ids === undefined ? sql`true` : sql`w.id::text in (${sqlList(ids)})`;
  const rows = await queryRows<{
    id: string;
    version: number;
    status: Candidate["status"];
    url: string | null;
    url_trusted: boolean;
  }>(
    db,
    sql`
      select w.id, w.version, w.status, w.url, w.url_trusted from workspaces w
      where w.host_id = ${hostId} and w.status in ('online', 'degraded', 'offline')
        and w.runtime <> 'external' and ${which}
        and not exists (select 1 from operations o where o.workspace_id = w.id
          and o.state in (${sqlList(UNFINISHED_STATES)}))
      order by w.id`,
  );
  return rows.map(({ url_trusted: urlTrusted, ...row }) => ({ ...row, urlTrusted }));
}
