import { getTableColumns, getTableName, sql, type SQL } from "drizzle-orm";
import type { PgTable } from "drizzle-orm/pg-core";
import type { Database } from "./database.js";

/**
 * Inserts rows with one statement that has one parameter, however many rows and columns there are:
 * the query builder takes longer for them than the database. Columns of which JSON has no value, such
 * as bytes, cannot be written so. A field that one row has and another lacks is null there, whatever
 * the default of its column.
 *
 * @param computed columns that get the value of an expression in every row, in the order of the rows.
 */
export async function insertRows<Table extends PgTable>(
  tx: Database,
  table: Table,
  rows: readonly Table["$inferInsert"][],
  computed: Partial<Record<keyof Table["$inferInsert"], SQL>> = {},
): Promise<void> {
  if (rows.length === 0) return;
  const fields = Object.entries(getTableColumns(table)).map(([key, { name }]) => ({ key, name }));
  const given = fields.filter(({ key }) => rows.some((row) => field(row, key) !== undefined));
  const added = fields.filter(({ key }) => key in computed);
  const json = JSON.stringify(
    rows.map((row) => Object.fromEntries(given.map(({ key, name }) => [name, field(row, key)]))),
  );
  const columns = [...given, ...added].map(({ name }) => sql.identifier(name));
  const values = [
    ...given.map(({ name }) => sql.identifier(name)),
    ...added.map(({ key }) => (computed as Record<string, SQL>)[key]),
  ];
  const target = sql.identifier(getTableName(table));
  await tx.execute(sql`
    insert into ${target} (${sql.join(columns, sql`, `)})
    select ${sql.join(values, sql`, `)} from jsonb_populate_recordset(null::${target}, ${json}::jsonb)`);
}

function field(row: object, key: string): unknown {
  return (row as Record<string, unknown>)[key];
}
