import { and, isNull, sql } from "drizzle-orm";
import type { Database } from "../store/database.js";
import { recordEvents } from "../store/events.js";
import { notify } from "../store/notifications.js";
import { tokens } from "../store/schema.js";
import { insertToken, type IssuedToken } from "./tokens.js";

/** Any number that nothing else on the database uses. */
const LOCK_ID = 7_260_640;

const isLiveAdminToken = and(isNull(tokens.workspaceId), isNull(tokens.revokedAt));

/**
 * Makes the administrator's token of a store that has none; undefined when there is one. Servers that
 * start at the same moment make one. Only its hash is kept: what is returned here is told once.
 */
export async function issueFirstAdminToken(db: Database): Promise<IssuedToken | undefined> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(LOCK_ID))})`);
    const [live] = await tx.select({ id: tokens.id }).from(tokens).where(isLiveAdminToken).limit(1);
    return live === undefined ? issueAdminToken(tx, "system:first-boot") : undefined;
  });
}

/** Makes a new token for the administrator and revokes those before it, for when it is lost or leaked. */
export async function rotateAdminToken(db: Database): Promise<IssuedToken> {
  return db.transaction(async (tx) => {
    await tx.execute(sql`select pg_advisory_xact_lock(${sql.raw(String(LOCK_ID))})`);
    await tx
      .update(tokens)
      .set({ revokedAt: sql`now()` })
      .where(isLiveAdminToken);
    await notify(tx, "molecule_tokens", "admin");
    return issueAdminToken(tx, "system:rotate");
  });
}

async function issueAdminToken(tx: Database, actor: string): Promise<IssuedToken> {
  const issued = await insertToken(tx, {
    workspaceId: undefined,
    operationId: undefined,
    createdBy: actor,
  });
  const payload = { token_id: issued.id, prefix: issued.prefix, admin: true };
  await recordEvents(tx, [{ type: "TOKEN_ISSUED", actor, payload }]);
  return issued;
}

/** The one line in which a new token is shown. */
export function describeAdminToken(token: string): string {
  return `Administrator token, shown only this once: ${token}`;
}
