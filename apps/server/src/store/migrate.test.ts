import { PGlite } from "@electric-sql/pglite";
import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { drizzle } from "drizzle-orm/pglite";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { queryRows, type Database } from "./database.js";
import { TEXT_PARSERS, withoutOwnParsers } from "./lean-parsing.js";
import { migrateStore, migrationsFolder } from "./migrate.js";
import * as schema from "./schema.js";

const known = readMigrationFiles({ migrationsFolder: migrationsFolder() });

let client: PGlite;
let db: Database;
beforeAll(async () => {
  client = await PGlite.create({ parsers: TEXT_PARSERS });
  db = drizzle(withoutOwnParsers(client), { schema }) as unknown as Database;
});
beforeEach(() => client.exec("drop schema public cascade; create schema public"));
afterAll(() => client?.close());

/** A database as the version left it that had only the first so many migrations. */
async function migrateTo(count: number): Promise<void> {
  await db.execute(sql`
    create table schema_migrations (
      created_at bigint primary key, hash text not null, applied_at timestamptz not null default now()
    )`);
  for (const { sql: statements, folderMillis, hash } of known.slice(0, count)) {
    for (const statement of statements) await db.execute(sql.raw(statement));
    await db.execute(
      sql`insert into schema_migrations (created_at, hash) values (${folderMillis}, ${hash})`,
    );
  }
}

it.each(known.slice(0, -1).map((_, at) => at + 1))(
  "what was stored with the first %i migrations is read after the others, and written to",
  async (count) => {
    await migrateTo(count);
    const [workspace, operation] = [randomUUID(), randomUUID()];
    await db.execute(sql`
      insert into workspaces (id, name, tier, status, runtime, created_by)
      values (${workspace}, 'kept', 2, 'online', 'langgraph', 'admin')`);
    await db.execute(sql`
      insert into operations (id, workspace_id, runtime, kind, state, requested_by)
      values (${operation}, ${workspace}, 'langgraph', 'provision', 'succeeded', 'admin')`);

    await migrateStore(db);

    const applied = await queryRows<{ at: string }>(
      db,
      sql`select created_at::text as at from schema_migrations order by created_at`,
    );
    expect(applied.map(({ at }) => Number(at))).toEqual(
      known.map(({ folderMillis }) => folderMillis),
    );
    expect(await db.select().from(schema.workspaces)).toEqual([
      expect.objectContaining({
        id: workspace,
        name: "kept",
        status: "online",
        lastActiveAt: null,
        imageProvenance: null,
        admission: null,
      }),
    ]);
    expect(await db.select().from(schema.operations)).toEqual([
      expect.objectContaining({ id: operation, state: "succeeded", retries: 0, takeovers: 0 }),
    ]);
    const verdict = { decision: "allowed", tier: 2, findings: [], passed: [] } as const;
    await db.update(schema.workspaces).set({ admission: verdict as never });
    const [row] = await db.select().from(schema.workspaces);
    expect(row?.admission).toEqual(verdict);
  },
);
