import type { JsonObject } from "@molecule-ai/core";
import type { Host } from "../host/host.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { cadenceOf } from "./cadence.js";
import type { Loop } from "./loop.js";
import { retryPauses } from "./retry-pauses.js";
import { retryRemovals } from "./retry-removals.js";
import { sweepOrphans, type OrphanReport } from "./sweep-orphans.js";

const MOST_NAMED = 50;

/** Removes what nobody wants from this engine, and asks again for removals and pauses that failed. */
export function createOrphansLoop(
  context: Pick<ServerContext, "config" | "logger" | "operations" | "store">,
  host: Host,
): Loop {
  const { config, store } = context;
  return {
    ...cadenceOf("orphans"),
    async run({ signal }) {
      const of = { hostId: host.id, signal };
      // Each is done whatever becomes of the others; then the failure is told.
      const [swept, removals, pauses] = await Promise.allSettled([
        sweep(),
        retryRemovals(context, of),
        retryPauses(context, of),
      ]);
      if (swept.status === "rejected") throw swept.reason;
      if (removals.status === "rejected") throw removals.reason;
      if (pauses.status === "rejected") throw pauses.reason;
      return {
        ...swept.value,
        removals_retried: removals.value,
        pauses_retried: pauses.value,
      };

      async function sweep(): Promise<JsonObject> {
        if (config.orphanSweep === "off") return { mode: "off" };
        const isDryRun = config.orphanSweep === "dry-run";
        const { db } = store;
        const report = await sweepOrphans({
          db,
          backend: host.backend,
          hostId: host.id,
          isDryRun,
          signal,
        });
        if (!isDryRun) await recordSweep(db, host.id, report, { actor: "system:orphans" });
        return { mode: config.orphanSweep, ...summarise(report) };
      }
    },
  };
}

/** Says in the event log what was done; nothing when nothing was. */
export async function recordSweep(
  db: Database,
  hostId: string,
  report: OrphanReport,
  by: { readonly actor: string; readonly requestId?: string | undefined },
): Promise<void> {
  if (report.removed.length === 0) return;
  await db.transaction((tx) =>
    recordEvents(tx, [
      {
        type: "ORPHANS_SWEPT",
        ...by,
        payload: { host_id: hostId, ...summarise(report) },
      },
    ]),
  );
}

function summarise({ removed, kept, failed }: OrphanReport): JsonObject {
  return {
    removed: removed.length,
    removed_names: removed.slice(0, MOST_NAMED).map(({ name }) => name),
    kept: kept.length,
    failed: failed.length,
    failed_names: failed.slice(0, MOST_NAMED).map(({ name }) => name),
  };
}
