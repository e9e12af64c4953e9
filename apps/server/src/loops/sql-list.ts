import { sql, type SQL } from "drizzle-orm";

/** Values for the parentheses of an SQL `in`; each is a parameter. At least one. */
export function sqlList(values: readonly string[]): SQL {
  return sql.join(
    values.map((value) => sql`${value}`),
    sql`, `,
  );
}
