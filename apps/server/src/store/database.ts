import type { SQL } from "drizzle-orm";
import type { PgDatabase, PgQueryResultHKT } from "drizzle-orm/pg-core";
import type * as schema from "./schema.js";

/** The store's connection, or one transaction on it; PGlite and PostgreSQL look the same. */
export type Database = PgDatabase<PgQueryResultHKT, typeof schema>;

/** Rows of a statement that the query builder has no words for. Columns keep their database names. */
export async function queryRows<Row>(db: Database, statement: SQL): Promise<Row[]> {
  const result = (await db.execute(statement)) as { rows: Row[] };
  return result.rows;
}
