import type { Redactor } from "@molecule-ai/core";
import { and, eq, sql } from "drizzle-orm";
import { ServerError } from "../errors.js";
import type { Database } from "../store/database.js";
import { globalSecrets, workspaceSecrets } from "../store/schema.js";
import type { SealedSecret, SecretBox, SecretPlace } from "./secret-box.js";
import { validateSecret } from "./secret-name.js";

/** What may be told of a secret. */
export interface SecretEntry {
  readonly key: string;
  readonly scope: SecretPlace["scope"];
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Stored secrets; each method works in the caller's transaction. */
export interface SecretStore {
  /** False when there is no key: then nothing can be saved. */
  readonly canSave: boolean;
  /**
   * What a workspace gets: the global secrets, and its own over them.
   *
   * @throws ServerError `ERR_SECRET_UNREADABLE` naming, in `details.failed_keys`, all that cannot be
   *   decrypted.
   */
  readEffective(db: Database, workspaceId: string): Promise<Readonly<Record<string, string>>>;
  /** Undefined when there is none; `ERR_SECRET_UNREADABLE` when it cannot be decrypted. */
  read(db: Database, place: SecretPlace): Promise<string | undefined>;
  /** Names in force for a workspace, without values; sorted. */
  listEffective(db: Database, workspaceId: string): Promise<readonly SecretEntry[]>;
  /** Names of the global secrets; sorted. */
  listGlobal(db: Database): Promise<readonly SecretEntry[]>;
  /**
   * Refuses what cannot be saved; call it before a transaction begins.
   *
   * @throws ServerError `ERR_REQUEST_INVALID`, `ERR_SECRET_NAME_RESERVED`, `ERR_SECRET_KEY_MISSING`
   */
  validate(key: string, value: string): void;
  /** Writes a value that `validate` let pass; from here on it is masked in what the server tells. */
  save(tx: Database, place: SecretPlace, value: string): Promise<void>;
  /** False when there was none. */
  delete(tx: Database, place: SecretPlace): Promise<boolean>;
}

/** The variable by which agents are told a model other than their template's; its value is no secret. */
export const MODEL_VARIABLE = "MODEL_PROVIDER";

/** All secrets of one place together; a process could not be started with more. */
const MAX_TOTAL_BYTES = 1024 * 1024;

interface SecretRow extends SealedSecret {
  readonly key: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export function createSecretStore(options: {
  readonly box: SecretBox;
  readonly redactor: Redactor;
}): SecretStore {
  const { box, redactor } = options;

  const mask = (key: string, value: string): void => {
    if (key !== MODEL_VARIABLE) redactor.add(value);
  };

  const open = (rows: readonly { row: SecretRow; place: SecretPlace }[]) => {
    const values: [string, string][] = [];
    const failedKeys: string[] = [];
    for (const { row, place } of rows) {
      const value = box.open(row, place);
      if (value === undefined) {
        failedKeys.push(row.key);
        continue;
      }
      mask(row.key, value);
      values.push([row.key, value]);
    }
    if (failedKeys.length > 0) throw unreadable(failedKeys);
    return Object.fromEntries(values);
  };

  return {
    canSave: box.keyId !== undefined,
    async readEffective(db, workspaceId) {
      return open(await selectEffective(db, workspaceId));
    },
    async read(db, place) {
      const [row] =
        place.scope === "global"
          ? await db.select().from(globalSecrets).where(eq(globalSecrets.key, place.key))
          : await db.select().from(workspaceSecrets).where(isAt(place));
      return row === undefined ? undefined : open([{ row, place }])[place.key];
    },
    async listEffective(db, workspaceId) {
      return (await selectEffective(db, workspaceId)).map(toEntry);
    },
    async listGlobal(db) {
      const rows = await db.select().from(globalSecrets).orderBy(globalSecrets.key);
      return rows.map((row) => toEntry({ row, place: { scope: "global", key: row.key } }));
    },
    validate(key, value) {
      validateSecret(key, value);
      // Refuses when there is no key, before a transaction has begun.
      box.seal("", { scope: "global", key });
    },
    async save(tx, place, value) {
      mask(place.key, value);
      const sealed = box.seal(value, place);
      const written = { ...sealed, updatedAt: sql`now()` };
      if (place.scope === "global") {
        await tx
          .insert(globalSecrets)
          .values({ key: place.key, ...sealed })
          .onConflictDoUpdate({ target: globalSecrets.key, set: written });
      } else {
        const { workspaceId, key } = place;
        await tx
          .insert(workspaceSecrets)
          .values({ workspaceId, key, ...sealed })
          .onConflictDoUpdate({
            target: [workspaceSecrets.workspaceId, workspaceSecrets.key],
            set: written,
          });
      }
      await refuseTooMuch(tx, place);
    },
    async delete(tx, place) {
      const deleted =
        place.scope === "global"
          ? await tx
              .delete(globalSecrets)
              .where(eq(globalSecrets.key, place.key))
              .returning({ key: globalSecrets.key })
          : await tx
              .delete(workspaceSecrets)
              .where(isAt(place))
              .returning({ key: workspaceSecrets.key });
      return deleted.length > 0;
    },
  };
}

async function selectEffective(
  db: Database,
  workspaceId: string,
): Promise<{ row: SecretRow; place: SecretPlace }[]> {
  const own = await db
    .select()
    .from(workspaceSecrets)
    .where(eq(workspaceSecrets.workspaceId, workspaceId));
  const inherited = await db.select().from(globalSecrets);
  const rowByKey = new Map<string, { row: SecretRow; place: SecretPlace }>();
  for (const row of inherited) {
    rowByKey.set(row.key, { row, place: { scope: "global", key: row.key } });
  }
  for (const row of own) {
    rowByKey.set(row.key, { row, place: { scope: "workspace", workspaceId, key: row.key } });
  }
  return [...rowByKey.values()].sort((a, b) => (a.row.key < b.row.key ? -1 : 1));
}

function isAt(place: SecretPlace & { scope: "workspace" }) {
  return and(
    eq(workspaceSecrets.workspaceId, place.workspaceId),
    eq(workspaceSecrets.key, place.key),
  );
}

function toEntry({ row, place }: { row: SecretRow; place: SecretPlace }): SecretEntry {
  return { key: row.key, scope: place.scope, createdAt: row.createdAt, updatedAt: row.updatedAt };
}

async function refuseTooMuch(tx: Database, place: SecretPlace): Promise<void> {
  const bytes = sql<number>`coalesce(sum(octet_length(encrypted_value)), 0)::int`;
  const [row] =
    place.scope === "global"
      ? await tx.select({ bytes }).from(globalSecrets)
      : await tx
          .select({ bytes })
          .from(workspaceSecrets)
          .where(eq(workspaceSecrets.workspaceId, place.workspaceId));
  if ((row?.bytes ?? 0) <= MAX_TOTAL_BYTES) return;
  throw new ServerError(
    "ERR_REQUEST_INVALID",
    `The ${place.scope} secrets together are longer than ${MAX_TOTAL_BYTES} bytes.`,
    { hint: "Delete secrets that are not needed, or put long content into files." },
  );
}

function unreadable(failedKeys: readonly string[]): ServerError {
  return new ServerError(
    "ERR_SECRET_UNREADABLE",
    `These secrets cannot be decrypted: ${failedKeys.join(", ")}.`,
    {
      hint: "Set SECRETS_ENCRYPTION_KEY_PREVIOUS to the key they were saved with, or save them again.",
      details: { failed_keys: [...failedKeys] },
    },
  );
}
