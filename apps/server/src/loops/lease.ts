import { sql } from "drizzle-orm";
import { queryRows, type Database } from "../store/database.js";

/** Who leads one loop: a row that only its holder, or anybody after it expired, may take. */
export interface Lease {
  /** Takes or renews it; false while another process has it. */
  hold(): Promise<boolean>;
  /** Gives it back, so that a successor need not wait. Nothing happens when it is another's. */
  release(): Promise<void>;
}

/** The time of the database decides, so that clocks which differ make no two leaders. */
export function createLease(
  db: Database,
  options: { readonly name: string; readonly holder: string; readonly leaseMs: number },
): Lease {
  const { name, holder, leaseMs } = options;
  return {
    async hold() {
      const rows = await queryRows(
        db,
        sql`
          insert into loops (name, holder, lease_expires_at)
          values (${name}, ${holder}, now() + ${`${leaseMs} ms`}::interval)
          on conflict (name) do update
          set holder = excluded.holder, lease_expires_at = excluded.lease_expires_at
          where loops.holder is null or loops.holder = excluded.holder
            or loops.lease_expires_at is null or loops.lease_expires_at < now()
          returning name`,
      );
      return rows.length > 0;
    },
    async release() {
      await db.execute(sql`
        update loops set holder = null, lease_expires_at = null
        where name = ${name} and holder = ${holder}`);
    },
  };
}
