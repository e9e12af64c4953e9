import type { JsonValue } from "@molecule-ai/core";
import { and, eq, lt, sql } from "drizzle-orm";
import { createHash } from "node:crypto";
import { ServerError } from "../errors.js";
import type { Database } from "../store/database.js";
import { idempotencyKeys } from "../store/schema.js";

/** How long a key stands for its answer. */
const KEPT_FOR = "24 hours";

export interface IdempotentRequest {
  /** Keys of one caller mean nothing to another. */
  readonly caller: string;
  readonly key: string;
  /** SHA-256 of what was asked. */
  readonly hash: string;
}

export interface StoredAnswer {
  readonly statusCode: number;
  readonly response: JsonValue;
}

/** Equal for requests that ask the same, whatever the order of their fields. */
export function hashRequest(route: string, body: unknown): string {
  return createHash("sha256")
    .update(`${route}\n${JSON.stringify(sortFields(body)) ?? ""}`)
    .digest("hex");
}

function sortFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortFields);
  if (typeof value !== "object" || value === null) return value;
  // fromEntries defines each field, so that `__proto__` is one like any other.
  return Object.fromEntries(
    Object.entries(value)
      .map(([key, field]): [string, unknown] => [key, sortFields(field)])
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/**
 * The answer that was given to the same request before; undefined when there was none.
 *
 * @throws ServerError `ERR_IDEMPOTENCY_KEY_REUSED` when the key was used for another request.
 */
export async function findAnswer(
  db: Database,
  request: IdempotentRequest,
): Promise<StoredAnswer | undefined> {
  const [row] = await db
    .select()
    .from(idempotencyKeys)
    .where(and(isOf(request), sql`${idempotencyKeys.createdAt} > now() - ${KEPT_FOR}::interval`));
  if (row === undefined) return undefined;
  if (row.requestHash === request.hash) return row;
  throw new ServerError(
    "ERR_IDEMPOTENCY_KEY_REUSED",
    "This Idempotency-Key was used for another request.",
    { hint: "Use a new key for each request, and the same one only to repeat it." },
  );
}

/**
 * Does `work` at most once for a key, in the caller's transaction: a second transaction with the key
 * waits for the first to end, and then has its answer. Nothing is kept of work that fails.
 *
 * @throws ServerError `ERR_IDEMPOTENCY_KEY_REUSED`, and what `work` throws.
 */
export async function answerOnce<Answer>(
  tx: Database,
  request: IdempotentRequest,
  work: () => Promise<{ readonly answer: Answer; readonly stored: StoredAnswer }>,
): Promise<
  { readonly kind: "done"; readonly answer: Answer } | ({ readonly kind: "known" } & StoredAnswer)
> {
  await tx
    .delete(idempotencyKeys)
    .where(and(isOf(request), lt(idempotencyKeys.createdAt, sql`now() - ${KEPT_FOR}::interval`)));
  const taken = await tx
    .insert(idempotencyKeys)
    .values({
      caller: request.caller,
      key: request.key,
      requestHash: request.hash,
      statusCode: 0,
      response: {},
    })
    .onConflictDoNothing()
    .returning({ key: idempotencyKeys.key });
  if (taken.length === 0) {
    const known = await findAnswer(tx, request);
    if (known === undefined) throw new Error("an idempotency key vanished under its lock");
    return { kind: "known", ...known };
  }
  const { answer, stored } = await work();
  await tx.update(idempotencyKeys).set(stored).where(isOf(request));
  return { kind: "done", answer };
}

function isOf({ caller, key }: IdempotentRequest) {
  return and(eq(idempotencyKeys.caller, caller), eq(idempotencyKeys.key, key));
}
