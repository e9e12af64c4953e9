import type { Clock } from "@molecule-ai/core";
import {
  and,
  eq,
  inArray,
  isNotNull,
  isNull,
  ne,
  or,
  sql,
  type InferSelectModel,
  type SQL,
} from "drizzle-orm";
import { randomUUID, timingSafeEqual } from "node:crypto";
import { ServerError } from "../errors.js";
import type { Logger } from "../logger.js";
import type { Database } from "../store/database.js";
import { notify } from "../store/notifications.js";
import type { Store } from "../store/open-store.js";
import { tokens, workspaces } from "../store/schema.js";
import { EXTERNAL_RUNTIME } from "../workspaces/subtree.js";
import type { Caller } from "./caller.js";
import { createTokenText, hashToken, isTokenText, prefixOf } from "./token-text.js";

/** Live tokens that people and agents may have made of one workspace; those of attempts come on top. */
export const MOST_LIVE_TOKENS = 50;

/**
 * Longest time a token that was verified is not looked up again. Of an embedded store this is the only
 * process, and it misses no notification; on a PostgreSQL this is the bound when one is lost.
 */
const VERIFIED_FOR_MS = { pglite: 300_000, postgres: 5000 } as const;
const MOST_VERIFIED = 10_000;
/** A revocation not yet committed after this long is heard of by its notification only. */
const REVOKING_FOR_MS = 60_000;
const LOOKUP_TIMEOUT_MS = 5000;
const USE_WRITTEN_EVERY_MS = 60_000;
const USE_COLLECTED_FOR_MS = 5000;

export type TokenRow = InferSelectModel<typeof tokens>;

export interface NewToken {
  /** Undefined for a token of the administrator. */
  readonly workspaceId: string | undefined;
  /** The provision attempt it is for; undefined when a person or an agent asked for it. */
  readonly operationId: string | undefined;
  /** `admin`, `workspace:<id>` or `system:<what>`. */
  readonly createdBy: string;
}

export interface IssuedToken {
  readonly id: string;
  /** To be handed over once: only its hash is kept. */
  readonly token: string;
  readonly prefix: string;
}

/**
 * The bearer tokens of agents and of the administrator.
 *
 * What takes a `tx` writes in the caller's transaction and records no event, so that the caller can
 * record its own as the last thing in it. From the moment a revocation commits, the token is refused
 * by this process, and by the others as soon as the notification reaches them.
 */
export interface Tokens extends AsyncDisposable {
  /**
   * Issues a token. A provision attempt names its operation; that leaves the tokens of the container
   * that runs now alone, so that an attempt which fails can be rolled back.
   *
   * @throws ServerError `ERR_CONFLICT` when a workspace has 50 live ones that no attempt made, and
   *   `ERR_NOT_FOUND` when there is no such workspace.
   */
  issue(tx: Database, token: NewToken): Promise<IssuedToken>;
  /** Issues the first token of a workspace; undefined when it `isOnFile`. */
  issueFirst(
    tx: Database,
    token: NewToken & { workspaceId: string },
  ): Promise<IssuedToken | undefined>;
  /** Revokes one live token of a workspace; undefined when it has no such. */
  revoke(tx: Database, workspaceId: string, tokenId: string): Promise<TokenRow | undefined>;
  /** An attempt succeeded: revokes every token of the workspace but those of the operation. */
  revokeAllBut(tx: Database, workspaceId: string, operationId: string): Promise<TokenRow[]>;
  /** An attempt failed and nothing of it is left: revokes the tokens it made. */
  revokeOfOperation(tx: Database, workspaceId: string, operationId: string): Promise<TokenRow[]>;
  /** A workspace goes: revokes all it has. */
  revokeAll(tx: Database, workspaceId: string): Promise<TokenRow[]>;
  /** Live tokens of a workspace, oldest first. */
  list(workspaceId: string): Promise<TokenRow[]>;
  /**
   * True when a workspace that is not removed is known by its tokens: it was ever issued one, also when
   * that is revoked by now, because a revocation must not open a door; or it has a container, which is
   * given its token before it starts, so that nobody else can be first.
   */
  isOnFile(workspaceId: string): Promise<boolean>;
  /**
   * Who a token belongs to; undefined for one that is unknown, revoked, or of a removed workspace.
   *
   * @throws ServerError `platform_unavailable` when the store does not answer.
   */
  verify(token: string): Promise<Caller | undefined>;
  /** True when this process has seen the token be valid, and not forgotten it; it may be revoked by now. */
  isFamiliar(token: string): boolean;
}

export interface TokensOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The administrator's token from the environment: then no stored one is the administrator's. */
  readonly adminToken: string | undefined;
}

interface Verified {
  readonly tokenId: string;
  readonly caller: Caller;
  readonly until: number;
  /** When its use was last written down, or is about to be. */
  lastUsedAt: number;
}

/** Reads and writes the tokens of a store. Dispose it before the store. */
export async function createTokens(options: TokensOptions): Promise<Tokens> {
  const { store, clock, logger } = options;
  const adminHash = options.adminToken === undefined ? undefined : hashToken(options.adminToken);
  const verified = new Map<string, Verified>();
  const familiar = new Set<string>();
  /** Workspaces with a revocation under way: what is read of them now is not remembered. */
  const revoking = new Map<string, number>();
  const used = new Set<string>();
  let useTimer: NodeJS.Timeout | undefined;
  let writingUse: Promise<void> | undefined;

  const forget = (workspaceId: string): void => {
    for (const [key, { caller }] of verified) {
      if (workspaceId === "" || ownerOf(caller) === workspaceId) verified.delete(key);
    }
  };
  const unsubscribe = await store.notifications.subscribe("molecule_tokens", forget);

  const revokeWhere = async (
    tx: Database,
    workspaceId: string,
    condition: SQL | undefined,
  ): Promise<TokenRow[]> => {
    const now = clock.monotonic();
    for (const [id, until] of revoking) if (until < now) revoking.delete(id);
    revoking.set(workspaceId, now + REVOKING_FOR_MS);
    forget(workspaceId);
    const revoked = await tx
      .update(tokens)
      .set({ revokedAt: sql`now()` })
      .where(and(eq(tokens.workspaceId, workspaceId), isNull(tokens.revokedAt), condition))
      .returning();
    if (revoked.length > 0) await notify(tx, "molecule_tokens", workspaceId);
    return revoked;
  };

  const lookUp = async (hash: Buffer): Promise<Verified | undefined> => {
    const [row] = await store.db
      .select({
        id: tokens.id,
        hash: tokens.tokenHash,
        workspaceId: tokens.workspaceId,
        lastUsedAt: tokens.lastUsedAt,
      })
      .from(tokens)
      .leftJoin(workspaces, eq(workspaces.id, tokens.workspaceId))
      .where(
        and(
          eq(tokens.tokenHash, hash),
          isNull(tokens.revokedAt),
          or(isNull(tokens.workspaceId), ne(workspaces.status, "removed")),
        ),
      );
    if (row === undefined || !timingSafeEqual(row.hash, hash)) return undefined;
    const { id, workspaceId, lastUsedAt } = row;
    if (workspaceId === null && adminHash !== undefined) return undefined;
    return {
      tokenId: id,
      caller:
        workspaceId === null ? { kind: "admin" } : { kind: "workspace", workspaceId, tokenId: id },
      until: clock.monotonic() + VERIFIED_FOR_MS[store.kind],
      lastUsedAt: lastUsedAt?.getTime() ?? 0,
    };
  };

  const becomeFamiliar = (key: string): void => {
    familiar.delete(key);
    familiar.add(key);
    if (familiar.size > MOST_VERIFIED) deleteOldest(familiar);
  };

  const remember = (key: string, found: Verified): void => {
    becomeFamiliar(key);
    if ((revoking.get(ownerOf(found.caller)) ?? 0) > clock.monotonic()) return;
    verified.set(key, found);
    if (verified.size > MOST_VERIFIED) deleteOldest(verified);
  };

  const noteUse = (found: Verified): void => {
    if (clock.now() - found.lastUsedAt < USE_WRITTEN_EVERY_MS) return;
    found.lastUsedAt = clock.now();
    used.add(found.tokenId);
    useTimer ??= setTimeout(() => {
      useTimer = undefined;
      writingUse = writeUse();
    }, USE_COLLECTED_FOR_MS).unref();
  };

  const writeUse = async (): Promise<void> => {
    const ids = [...used];
    used.clear();
    if (ids.length === 0) return;
    // In one order, or two servers that write the same ones could wait for each other.
    const due = store.db
      .select({ id: tokens.id })
      .from(tokens)
      .where(
        and(
          inArray(tokens.id, ids),
          or(isNull(tokens.lastUsedAt), sql`${tokens.lastUsedAt} < now() - interval '1 minute'`),
        ),
      )
      .orderBy(tokens.id)
      .for("update", { skipLocked: true });
    try {
      await store.db
        .update(tokens)
        .set({ lastUsedAt: sql`now()` })
        .where(inArray(tokens.id, due));
    } catch (error) {
      logger.warn({ err: error }, "the use of tokens was not written down");
    }
  };

  return {
    async issue(tx, token) {
      if (token.workspaceId !== undefined && token.operationId === undefined) {
        await lockWorkspace(tx, token.workspaceId);
        const [live] = await tx
          .select({ count: sql<number>`count(*)::int` })
          .from(tokens)
          .where(
            and(
              eq(tokens.workspaceId, token.workspaceId),
              isNull(tokens.revokedAt),
              isNull(tokens.operationId),
            ),
          );
        if ((live?.count ?? 0) >= MOST_LIVE_TOKENS) throw tooMany();
      }
      return insertToken(tx, token);
    },
    async issueFirst(tx, token) {
      await lockWorkspace(tx, token.workspaceId);
      return (await isOnFile(tx, token.workspaceId)) ? undefined : insertToken(tx, token);
    },
    async revoke(tx, workspaceId, tokenId) {
      const [revoked] = await revokeWhere(tx, workspaceId, eq(tokens.id, tokenId));
      return revoked;
    },
    revokeAllBut: (tx, workspaceId, operationId) =>
      revokeWhere(
        tx,
        workspaceId,
        or(isNull(tokens.operationId), ne(tokens.operationId, operationId)),
      ),
    revokeOfOperation: (tx, workspaceId, operationId) =>
      revokeWhere(tx, workspaceId, eq(tokens.operationId, operationId)),
    revokeAll: (tx, workspaceId) => revokeWhere(tx, workspaceId, undefined),
    list: (workspaceId) =>
      store.db
        .select()
        .from(tokens)
        .where(and(eq(tokens.workspaceId, workspaceId), isNull(tokens.revokedAt)))
        .orderBy(tokens.createdAt, tokens.id),
    isOnFile: (workspaceId) => answered(isOnFile(store.db, workspaceId)),
    async verify(token) {
      const hash = hashToken(token);
      const key = hash.toString("base64");
      if (adminHash !== undefined && timingSafeEqual(hash, adminHash)) {
        becomeFamiliar(key);
        return { kind: "admin" };
      }
      if (!isTokenText(token)) return undefined;
      let found = verified.get(key);
      if (found === undefined || found.until <= clock.monotonic()) {
        verified.delete(key);
        found = await answered(lookUp(hash));
        if (found === undefined) return undefined;
        remember(key, found);
      }
      noteUse(found);
      return found.caller;
    },
    isFamiliar: (token) => familiar.has(hashToken(token).toString("base64")),
    async [Symbol.asyncDispose]() {
      unsubscribe();
      clearTimeout(useTimer);
      await writingUse;
      await writeUse();
    },
  };
}

/** What a notification and a revocation are about; the administrator's are about no workspace. */
function ownerOf(caller: Caller): string {
  return caller.kind === "workspace" ? caller.workspaceId : "admin";
}

function deleteOldest(collection: {
  keys(): Iterator<string>;
  delete(key: string): boolean;
}): void {
  const { value } = collection.keys().next();
  if (value !== undefined) collection.delete(value);
}

/** Writes a token down, without asking whether there may be another. */
export async function insertToken(tx: Database, token: NewToken): Promise<IssuedToken> {
  const text = createTokenText();
  const issued = { id: randomUUID(), token: text, prefix: prefixOf(text) };
  await tx.insert(tokens).values({
    id: issued.id,
    workspaceId: token.workspaceId,
    tokenHash: hashToken(text),
    prefix: issued.prefix,
    operationId: token.operationId,
    createdBy: token.createdBy,
  });
  return issued;
}

/** Two that count tokens of one workspace at the same moment count one after the other. */
async function lockWorkspace(tx: Database, workspaceId: string): Promise<void> {
  const [row] = await tx
    .select({ id: workspaces.id })
    .from(workspaces)
    .where(and(eq(workspaces.id, workspaceId), ne(workspaces.status, "removed")))
    .for("update");
  if (row === undefined) {
    throw new ServerError("ERR_NOT_FOUND", `There is no workspace ${workspaceId}.`);
  }
}

async function isOnFile(db: Database, workspaceId: string): Promise<boolean> {
  const [row] = await db
    .select({ id: workspaces.id })
    .from(workspaces)
    .leftJoin(tokens, eq(tokens.workspaceId, workspaces.id))
    .where(
      and(
        eq(workspaces.id, workspaceId),
        ne(workspaces.status, "removed"),
        or(ne(workspaces.runtime, EXTERNAL_RUNTIME), isNotNull(tokens.id)),
      ),
    )
    .limit(1);
  return row !== undefined;
}

function tooMany(): ServerError {
  return new ServerError(
    "ERR_CONFLICT",
    `The workspace has ${MOST_LIVE_TOKENS} live tokens, which is the most.`,
    { hint: "Revoke one that is not used: GET /workspaces/:id/tokens shows the last use of each." },
  );
}

/** What the store answers, or that it does not: a caller is not refused because of our trouble. */
async function answered<Answer>(answer: Promise<Answer>): Promise<Answer> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new Error("The store did not answer in time.")),
      LOOKUP_TIMEOUT_MS,
    );
  });
  try {
    return await Promise.race([answer, late]);
  } catch (cause) {
    throw new ServerError("platform_unavailable", "Tokens cannot be checked just now.", {
      hint: "Try again in a moment.",
      retryable: true,
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}
