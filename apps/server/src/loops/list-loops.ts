import { sql, type SQL } from "drizzle-orm";
import { z } from "zod";
import { queryRows, type Database } from "../store/database.js";
import { LOOPS, type LoopCadence } from "./cadence.js";

const moment = z.iso.datetime({ offset: true }).nullable();

/** One background loop as it stands. */
export const loopView = z
  .object({
    name: z.string().describe("With @ and the engine's id for a loop that each engine has."),
    leader: z.uuid().nullable().describe("The server process that runs it."),
    last_started_at: moment,
    last_succeeded_at: moment,
    last_error: z.string().nullable(),
    last_error_at: moment,
    runs: z.int(),
    failures: z.int(),
    stale: z.boolean().describe("It has not succeeded for three times its interval."),
    summary: z.record(z.string(), z.unknown()).nullable().describe("What the last run found."),
  })
  .meta({ id: "Loop" });
export type LoopView = z.infer<typeof loopView>;

/** All loops that ever ran on this store. */
export async function listLoops(db: Database): Promise<LoopView[]> {
  const rows = await queryRows<Omit<LoopView, "stale"> & { readonly quiet_ms: number | null }>(
    db,
    sql`
      select name,
        case when lease_expires_at > now() then holder end as leader,
        ${isoOf(sql`last_started_at`)} as last_started_at,
        ${isoOf(sql`last_succeeded_at`)} as last_succeeded_at,
        last_error, ${isoOf(sql`last_error_at`)} as last_error_at,
        runs::float8 as runs, failures::float8 as failures, summary,
        (extract(epoch from now() - last_succeeded_at) * 1000)::float8 as quiet_ms
      from loops order by name`,
  );
  return rows.map(({ quiet_ms, ...row }) => ({
    ...row,
    stale: isStale(row.name, { quietMs: quiet_ms ?? undefined, failures: row.failures }),
  }));
}

/** True when a loop has not succeeded for so long that somebody should look. */
export function isStale(
  rowName: string,
  { quietMs, failures }: { readonly quietMs: number | undefined; readonly failures: number },
): boolean {
  // It never succeeded: it failed, or its first run is under way.
  if (quietMs === undefined) return failures > 0;
  const name = rowName.split("@", 1)[0] ?? rowName;
  const cadence = (LOOPS as Readonly<Record<string, LoopCadence>>)[name];
  if (cadence === undefined) return false;
  return quietMs > 3 * cadence.intervalMs + cadence.timeoutMs;
}

/** A timestamp as ISO 8601 in UTC, the same from every driver. */
function isoOf(moment: SQL): SQL {
  return sql`to_char(${moment} at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;
}
