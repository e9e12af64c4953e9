import { isProvisionerError, type JsonObject } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import type { Database } from "../store/database.js";

/** What is kept of the runs of one loop; only its leader writes. */
export interface RunRecord {
  started(): Promise<void>;
  succeeded(summary: JsonObject): Promise<void>;
  failed(error: unknown): Promise<void>;
}

export function createRunRecord(
  db: Database,
  { name, holder }: { readonly name: string; readonly holder: string },
): RunRecord {
  const mine = sql`where name = ${name} and holder = ${holder}`;
  return {
    async started() {
      await db.execute(sql`update loops set last_started_at = now(), runs = runs + 1 ${mine}`);
    },
    async succeeded(summary) {
      await db.execute(sql`
        update loops set last_succeeded_at = clock_timestamp(),
          summary = ${JSON.stringify(summary)}::jsonb ${mine}`);
    },
    async failed(error) {
      await db.execute(sql`
        update loops set last_error_at = clock_timestamp(), failures = failures + 1,
          last_error = ${safeError(error)} ${mine}`);
    },
  };
}

/** Messages of our own errors are written for people; of others only the log tells more. */
export function safeError(error: unknown): string {
  if (isProvisionerError(error)) return `${error.code}: ${error.message}`.slice(0, 500);
  return "ERR_INTERNAL: look at the server's log";
}
