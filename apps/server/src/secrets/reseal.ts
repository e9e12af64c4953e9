import { and, eq, sql, type SQL } from "drizzle-orm";
import type { Logger } from "../logger.js";
import { queryRows, type Database } from "../store/database.js";
import { globalSecrets, workspaceSecrets } from "../store/schema.js";
import { AES_256_GCM, type SecretBox, type SecretPlace } from "./secret-box.js";

const BATCH = 100;

/** How a rotation went. */
export interface ResealResult {
  readonly resealed: number;
  /** `KEY` of a global secret, `workspace id/KEY` of another one. */
  readonly unreadable: readonly string[];
}

interface Row {
  readonly id: string;
  readonly key: string;
  readonly value: Uint8Array;
  readonly version: number;
  readonly key_id: string;
}

/**
 * Seals with the current key what another key sealed, or nothing did. Several processes may do this
 * at once, and secrets may be saved meanwhile: a row is replaced only while it is what was read.
 * Rows that no key opens are left as they are and named. Ends early, without an error, when the
 * signal aborts or the store fails, which is logged: what is left can still be read with the previous
 * key, and is done at the next boot.
 */
export async function resealSecrets(options: {
  readonly db: Database;
  readonly box: SecretBox;
  readonly logger: Logger;
  readonly signal?: AbortSignal | undefined;
  readonly batchSize?: number | undefined;
}): Promise<ResealResult> {
  const { box, logger } = options;
  const tally = { resealed: 0, unreadable: [] as string[] };
  if (box.keyId !== undefined) {
    try {
      await resealTable(options, box.keyId, TABLES.global, tally);
      await resealTable(options, box.keyId, TABLES.workspace, tally);
    } catch (error) {
      logger.error({ err: error }, "sealing secrets with the current key stopped early");
    }
  }
  if (tally.resealed > 0) {
    logger.info({ count: tally.resealed, keyId: box.keyId }, "sealed secrets with the current key");
  }
  if (tally.unreadable.length > 0) {
    logger.warn(
      { count: tally.unreadable.length, secrets: tally.unreadable.slice(0, 50) },
      "no key opens these secrets: set SECRETS_ENCRYPTION_KEY_PREVIOUS or save them again",
    );
  }
  return tally;
}

interface Table {
  readonly name: SQL;
  /** What comes before the key in the order of rows; empty for global ones. */
  readonly id: SQL;
  readonly placeOf: (row: Row) => SecretPlace;
}

const TABLES = {
  global: {
    name: sql`${globalSecrets}`,
    id: sql`''::text`,
    placeOf: ({ key }) => ({ scope: "global", key }),
  },
  workspace: {
    name: sql`${workspaceSecrets}`,
    id: sql`workspace_id::text`,
    placeOf: ({ id, key }) => ({ scope: "workspace", workspaceId: id, key }),
  },
} satisfies Record<string, Table>;

async function resealTable(
  options: Parameters<typeof resealSecrets>[0],
  keyId: string,
  table: Table,
  tally: { resealed: number; unreadable: string[] },
): Promise<void> {
  const { db, box, signal, batchSize = BATCH } = options;
  let after: Pick<Row, "id" | "key"> = { id: "", key: "" };
  while (signal?.aborted !== true) {
    const rows: Row[] = await queryRows<Row>(
      db,
      sql`
        select ${table.id} as id, key, encrypted_value as value, encryption_version as version, key_id
        from ${table.name}
        where (encryption_version <> ${AES_256_GCM} or key_id <> ${keyId})
          and (${table.id} collate "C", key collate "C") > (${after.id}, ${after.key})
        order by ${table.id} collate "C", key collate "C" limit ${batchSize}`,
    );
    for (const row of rows) {
      const place = table.placeOf(row);
      const value = box.open(
        { encryptedValue: row.value, encryptionVersion: row.version, keyId: row.key_id },
        place,
      );
      if (value === undefined) {
        tally.unreadable.push(row.id === "" ? row.key : `${row.id}/${row.key}`);
        continue;
      }
      const sealed = box.seal(value, place);
      const was = sql`encrypted_value = ${Buffer.from(row.value)} and key_id = ${row.key_id}`;
      const written =
        place.scope === "global"
          ? await db
              .update(globalSecrets)
              .set(sealed)
              .where(and(eq(globalSecrets.key, place.key), was))
              .returning({ key: globalSecrets.key })
          : await db
              .update(workspaceSecrets)
              .set(sealed)
              .where(
                and(
                  eq(workspaceSecrets.workspaceId, place.workspaceId),
                  eq(workspaceSecrets.key, place.key),
                  was,
                ),
              )
              .returning({ key: workspaceSecrets.key });
      tally.resealed += written.length;
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < batchSize) return;
    after = last;
  }
}
