import type { JsonObject } from "@molecule-ai/core";
import { sql, type SQL } from "drizzle-orm";
import type { ServerContext } from "../server-context.js";
import { queryRows, type Database } from "../store/database.js";
import { cadenceOf } from "./cadence.js";
import type { Loop } from "./loop.js";

/** Rows of one statement: an embedded database does nothing else meanwhile. */
const BATCH = 500;
const MOST_BATCHES = 20;

interface Expiry {
  readonly what: string;
  readonly table: SQL;
  /** Columns that tell rows apart. */
  readonly key: SQL;
  readonly where: SQL;
}

/** What is dropped, and when; in this order, because logs go with their build. */
function expiries(retentionDays: number): readonly Expiry[] {
  const old = sql`now() - make_interval(days => ${retentionDays}::int)`;
  const id = sql`id`;
  return [
    { what: "events", table: sql`structure_events`, key: id, where: sql`created_at < ${old}` },
    {
      what: "builds",
      table: sql`builds`,
      key: id,
      where: sql`state <> 'running' and coalesce(finished_at, started_at) < ${old}`,
    },
    {
      what: "operations",
      table: sql`operations`,
      key: id,
      // What tells why a workspace is as it is stays as long as the workspace; of a removed one,
      // only a removal that still has to be done.
      where: sql`finished_at < ${old} and not exists (
        select 1 from workspaces w where w.id = operations.workspace_id and case
          when w.status = 'removed'
            then operations.kind = 'remove' and operations.state <> 'succeeded'
          else operations.id = w.last_operation_id or not exists (
            select 1 from operations later where later.workspace_id = w.id
              and (later.created_at, later.id) > (operations.created_at, operations.id))
        end)`,
    },
    {
      what: "tokens",
      table: sql`auth_tokens`,
      key: id,
      // A workspace that ever had a token keeps one: that it has none would open a door.
      where: sql`revoked_at < ${old} and (workspace_id is null or exists (
        select 1 from workspaces w where w.id = auth_tokens.workspace_id and w.status = 'removed'
      ) or exists (
        select 1 from auth_tokens other where other.workspace_id = auth_tokens.workspace_id
          and (other.revoked_at is null
            or (other.created_at, other.id) > (auth_tokens.created_at, auth_tokens.id))))`,
    },
    {
      what: "idempotency_keys",
      table: sql`idempotency_keys`,
      key: sql`caller, key`,
      where: sql`created_at < now() - interval '24 hours'`,
    },
    {
      what: "loops",
      table: sql`loops`,
      key: sql`name`,
      // Of an engine that no process serves any more.
      where: sql`name like '%@%' and coalesce(lease_expires_at, last_started_at) < ${old}`,
    },
  ];
}

/** Drops what is old, in batches, so that it never holds up others for long. */
export function createRetentionLoop(context: Pick<ServerContext, "config" | "store">): Loop {
  const { db } = context.store;
  return {
    ...cadenceOf("retention"),
    async run({ signal }) {
      const dropped: Record<string, number> = {};
      for (const expiry of expiries(context.config.retentionDays)) {
        dropped[expiry.what] = await drop(db, expiry, signal);
      }
      return dropped satisfies JsonObject;
    },
  };
}

async function drop(db: Database, expiry: Expiry, signal: AbortSignal): Promise<number> {
  const { table, key, where } = expiry;
  let total = 0;
  for (let batch = 0; batch < MOST_BATCHES; batch += 1) {
    signal.throwIfAborted();
    const rows = await queryRows(
      db,
      sql`
        delete from ${table} where (${key}) in (
          select ${key} from ${table} where ${where} limit ${BATCH})
        returning 1`,
    );
    total += rows.length;
    if (rows.length < BATCH) break;
  }
  return total;
}
