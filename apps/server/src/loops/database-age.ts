import { sql } from "drizzle-orm";
import { queryRows, type Database } from "../store/database.js";

const KEY = "database_created_at";

/** Notes when this database was first used; what it says stays, whoever asks again. */
export async function noteDatabaseAge(db: Database): Promise<void> {
  await db.execute(sql`
    insert into settings (key, value)
    values (${KEY}, to_jsonb((extract(epoch from now()) * 1000)::bigint))
    on conflict (key) do nothing`);
}

/** Both by the clock of the database, in milliseconds. One that was never noted was made just now. */
export async function readDatabaseAge(
  db: Database,
): Promise<{ readonly now: number; readonly databaseCreatedAt: number }> {
  const [row] = await queryRows<{ now: number; created: number | null }>(
    db,
    sql`
      select (extract(epoch from now()) * 1000)::float8 as now,
        (select value::float8 from settings where key = ${KEY}) as created`,
  );
  const now = row?.now ?? 0;
  return { now, databaseCreatedAt: row?.created ?? now };
}
