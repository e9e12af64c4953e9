import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { fileURLToPath } from "node:url";
import { ServerError } from "../errors.js";
import { queryRows, type Database } from "./database.js";

/** The directory of the SQL files, in a checkout and in the installed package. */
export function migrationsFolder(): string {
  return fileURLToPath(
    new URL("./migrations", import.meta.resolve("@molecule-ai/server/package.json")),
  );
}

/** Any number that nothing else on the database uses. */
const LOCK_ID = 7_260_631;

/**
 * Brings the schema up to this version, forward only; servers that start at the same moment wait for
 * each other. `db` must be one connection.
 *
 * @throws ServerError `ERR_STORE_NEWER` when a newer version has been here.
 */
export async function migrateStore(db: Database): Promise<void> {
  const known = readMigrationFiles({ migrationsFolder: migrationsFolder() });
  const newest = known.at(-1)?.folderMillis ?? 0;
  await db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(LOCK_ID))})`);
    await tx.execute(sql`
      create table if not exists schema_migrations (
        created_at bigint primary key, hash text not null, applied_at timestamptz not null default now()
      )`);
    const applied = await queryRows<{ at: string }>(
      tx,
      sql`select created_at::text as at from schema_migrations order by created_at`,
    );
    const last = Number(applied.at(-1)?.at ?? 0);
    if (last > newest) {
      throw new ServerError(
        "ERR_STORE_NEWER",
        "The database was used by a newer version of this server.",
        {
          hint: "Start that version, or restore the backup that was made before the upgrade.",
          details: { applied: last, known: newest },
        },
      );
    }
    for (const migration of known) {
      if (migration.folderMillis <= last) continue;
      for (const statement of migration.sql) await tx.execute(sql.raw(statement));
      await tx.execute(
        sql`insert into schema_migrations (created_at, hash) values (${migration.folderMillis}, ${migration.hash})`,
      );
    }
  });
}
