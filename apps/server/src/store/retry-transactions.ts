import type { Database } from "./database.js";

/** SQLSTATE of a deadlock and of a serialisation failure: the same transaction may do next time. */
const RETRIED = new Set(["40P01", "40001"]);
const MOST_ATTEMPTS = 4;

/**
 * Makes `db.transaction` begin anew when the database ended it because of a deadlock with another one.
 * Nothing of it was written then. So what a transaction does must be only on the database.
 */
export function retryTransactions(db: Database): void {
  const transaction = db.transaction.bind(db);
  db.transaction = async (work, config) => {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await transaction(work, config);
      } catch (error) {
        if (attempt === MOST_ATTEMPTS || !isRetried(error)) throw error;
      }
    }
  };
}

/** The query builder wraps what the driver says. */
function isRetried(error: unknown): boolean {
  for (let at = error; at instanceof Error; at = at.cause) {
    if (RETRIED.has(String((at as { code?: unknown }).code))) return true;
  }
  return false;
}
