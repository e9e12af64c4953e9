import { sql, type SQL } from "drizzle-orm";

/**
 * Which of two lines an operation stands in. What stops an agent has slots of its own: a removal does
 * not wait behind builds.
 */
export function isStarting(alias: string): SQL {
  return sql`(${sql.identifier(alias)}.kind in ('provision', 'restart', 'resume'))`;
}
