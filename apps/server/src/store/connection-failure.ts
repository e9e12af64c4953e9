/** Classes of SQLSTATE that say that the connection or the server went, not that the statement is wrong. */
const TRANSIENT_SQLSTATE = /^(08|40|53|57P)/;
const TRANSIENT_ERRNO = /^(ECONN(REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH)$/;
/** What pg says, without a code, of a connection that broke under a statement. */
const TERMINATED =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded when trying to connect)/;

/** True when the same statement may succeed once the database can be reached again. */
export function isConnectionFailure(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
    const { code } = at as { code?: unknown };
    if (typeof code === "string" && (TRANSIENT_SQLSTATE.test(code) || TRANSIENT_ERRNO.test(code))) {
      return true;
    }
    if (TERMINATED.test(at.message)) return true;
  }
  return false;
}
