import { systemClock, type Clock } from "@molecule-ai/core";
import { eq, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { Store } from "../store/open-store.js";
import { tokens as tokenTable, workspaces } from "../store/schema.js";
import { queryRows } from "../store/database.js";
import { issueFirstAdminToken, rotateAdminToken } from "./admin-token.js";
import { hashToken } from "./token-text.js";
import { createTokens, MOST_LIVE_TOKENS, type Tokens } from "./tokens.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

const logger = pino({ level: "silent" });
let store: Store;
let tokens: Tokens;
let workspaceId: string;

beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(() => store[Symbol.asyncDispose]());

beforeEach(async () => {
  tokens = await createTokens({ store, clock: systemClock, logger, adminToken: undefined });
  workspaceId = await insertWorkspace();
  return async () => {
    await tokens[Symbol.asyncDispose]();
    await store.db.delete(tokenTable);
    await store.db.delete(workspaces);
  };
});

async function insertWorkspace(): Promise<string> {
  const id = randomUUID();
  await store.db.insert(workspaces).values({
    id,
    name: "w",
    tier: 2,
    status: "provisioning",
    runtime: "external",
    createdBy: "admin",
  });
  return id;
}

const issue = (operationId?: string) =>
  store.db.transaction((tx) => tokens.issue(tx, { workspaceId, operationId, createdBy: "admin" }));
const workspaceOf = async (token: string) => {
  const caller = await tokens.verify(token);
  return caller?.kind === "workspace" ? caller.workspaceId : caller?.kind;
};

describe("a token", () => {
  it("has 43 characters and is kept as a hash and its first 8 characters only", async () => {
    const { token, prefix, id } = await issue();
    expect(token).toMatch(/^[A-Za-z0-9_-]{43}$/);
    expect(prefix).toBe(token.slice(0, 8));
    const [row] = await store.db.select().from(tokenTable).where(eq(tokenTable.id, id));
    expect(Buffer.from(row?.tokenHash ?? []).equals(hashToken(token))).toBe(true);
    const dump = await queryRows<{ text: string }>(
      store.db,
      sql`select row_to_json(auth_tokens)::text as text from auth_tokens`,
    );
    expect(JSON.stringify(dump)).not.toContain(token.slice(8));
  });

  it("tells its workspace, and nothing once it is changed in any character", async () => {
    const { token } = await issue();
    expect(await workspaceOf(token)).toBe(workspaceId);
    for (const at of [0, 20, 41]) {
      const other = token[at] === "A" ? "B" : "A";
      expect(await tokens.verify(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined();
    }
    expect(await tokens.verify(`${token}A`)).toBeUndefined();
    expect(await tokens.verify("")).toBeUndefined();
  });

  it("is refused from the moment its revocation is committed, though it was just verified", async () => {
    const { token, id } = await issue();
    expect(await workspaceOf(token)).toBe(workspaceId);
    await store.db.transaction((tx) => tokens.revoke(tx, workspaceId, id));
    expect(await tokens.verify(token)).toBeUndefined();
  });

  it("stays valid when the transaction that revoked it is rolled back", async () => {
    const { token, id } = await issue();
    const attempt = store.db.transaction(async (tx) => {
      await tokens.revoke(tx, workspaceId, id);
      throw new Error("rolled back");
    });
    await expect(attempt).rejects.toThrow("rolled back");
    expect(await workspaceOf(token)).toBe(workspaceId);
  });

  it("is refused by another process as soon as it is notified, though that had just verified it", async () => {
    const { token, id } = await issue();
    await using other = await createTokens({
      store,
      // Its cache never ends by time.
      clock: { ...systemClock, monotonic: () => 0 },
      logger,
      adminToken: undefined,
    });
    expect(await other.verify(token)).toBeDefined();
    await store.db.transaction((tx) => tokens.revoke(tx, workspaceId, id));
    await expect.poll(() => other.verify(token)).toBeUndefined();
  });

  it("is looked up again after 5 seconds even when a notification was missed", async () => {
    const { token, id } = await issue();
    let now = 0;
    const clock: Clock = { ...systemClock, monotonic: () => now };
    // As on a PostgreSQL, where other processes write too.
    const shared: Store = { ...store, kind: "postgres" };
    await using other = await createTokens({
      store: shared,
      clock,
      logger,
      adminToken: undefined,
    });
    expect(await other.verify(token)).toBeDefined();
    await store.db
      .update(tokenTable)
      .set({ revokedAt: sql`now()` })
      .where(eq(tokenTable.id, id));
    now = 4999;
    expect(await other.verify(token)).toBeDefined();
    now = 5001;
    expect(await other.verify(token)).toBeUndefined();
  });

  it("of a removed workspace is refused, though nobody revoked it", async () => {
    const { token } = await issue();
    await store.db
      .update(workspaces)
      .set({ status: "removed" })
      .where(eq(workspaces.id, workspaceId));
    expect(await tokens.verify(token)).toBeUndefined();
    expect(await tokens.isOnFile(workspaceId)).toBe(false);
  });

  it("of another workspace is not revoked by its id", async () => {
    const { token, id } = await issue();
    const other = await insertWorkspace();
    expect(await store.db.transaction((tx) => tokens.revoke(tx, other, id))).toBeUndefined();
    expect(await workspaceOf(token)).toBe(workspaceId);
  });

  it("once revoked is still on file, so that a revocation opens nothing", async () => {
    expect(await tokens.isOnFile(workspaceId)).toBe(false);
    const { id } = await issue();
    await store.db.transaction((tx) => tokens.revoke(tx, workspaceId, id));
    expect(await tokens.isOnFile(workspaceId)).toBe(true);
    expect(await tokens.list(workspaceId)).toEqual([]);
  });
});

describe("tokens of provision attempts", () => {
  it("live beside those of the running container until the attempt has succeeded", async () => {
    const [running, attempt] = [randomUUID(), randomUUID()];
    const before = await issue(running);
    const byHand = await issue();
    const after = await issue(attempt);
    expect(await workspaceOf(before.token)).toBe(workspaceId);
    expect(await workspaceOf(after.token)).toBe(workspaceId);
    const revoked = await store.db.transaction((tx) =>
      tokens.revokeAllBut(tx, workspaceId, attempt),
    );
    expect(revoked.map(({ id }) => id).sort()).toEqual([before.id, byHand.id].sort());
    expect(await tokens.verify(before.token)).toBeUndefined();
    expect(await tokens.verify(byHand.token)).toBeUndefined();
    expect(await workspaceOf(after.token)).toBe(workspaceId);
  });

  it("go when the attempt fails, and leave those of the running container alone", async () => {
    const [running, attempt] = [randomUUID(), randomUUID()];
    const before = await issue(running);
    const after = await issue(attempt);
    await store.db.transaction((tx) => tokens.revokeOfOperation(tx, workspaceId, attempt));
    expect(await tokens.verify(after.token)).toBeUndefined();
    expect(await workspaceOf(before.token)).toBe(workspaceId);
  });

  it("are not held up by the limit on the others", async () => {
    await store.db.transaction(async (tx) => {
      for (let n = 0; n < MOST_LIVE_TOKENS; n++) {
        await tokens.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" });
      }
    });
    await expect(issue()).rejects.toMatchObject({ code: "ERR_CONFLICT" });
    await expect(issue(randomUUID())).resolves.toBeDefined();
    const [oldest] = await tokens.list(workspaceId);
    await store.db.transaction((tx) => tokens.revoke(tx, workspaceId, oldest?.id ?? ""));
    await expect(issue()).resolves.toBeDefined();
  });

  it("are none of a workspace that is not there", async () => {
    const attempt = store.db.transaction((tx) =>
      tokens.issue(tx, { workspaceId: randomUUID(), operationId: undefined, createdBy: "admin" }),
    );
    await expect(attempt).rejects.toMatchObject({ code: "ERR_NOT_FOUND" });
  });
});

it("keeps the first token of a container for the attempt to start it", async () => {
  await store.db.update(workspaces).set({ runtime: "langgraph" });
  expect(await tokens.isOnFile(workspaceId)).toBe(true);
  const asked = { workspaceId, operationId: undefined, createdBy: "system:register" };
  expect(await store.db.transaction((tx) => tokens.issueFirst(tx, asked))).toBeUndefined();
});

it("issues the first token of a workspace once", async () => {
  const first = () =>
    store.db.transaction((tx) =>
      tokens.issueFirst(tx, { workspaceId, operationId: undefined, createdBy: "system:register" }),
    );
  const issued = (await Promise.all([first(), first()])).filter((token) => token !== undefined);
  expect(issued).toHaveLength(1);
});

it("writes the use of a token down once a minute, when it is disposed at the latest", async () => {
  const { token, id } = await issue();
  const lastUse = async () =>
    (await store.db.select().from(tokenTable).where(eq(tokenTable.id, id)))[0]?.lastUsedAt;
  const use = async () => {
    await using reader = await createTokens({
      store,
      clock: systemClock,
      logger,
      adminToken: undefined,
    });
    await reader.verify(token);
  };
  expect(await lastUse()).toBeNull();
  await use();
  const first = await lastUse();
  expect(first).toBeInstanceOf(Date);
  await use();
  expect(await lastUse()).toEqual(first);
  await store.db.update(tokenTable).set({ lastUsedAt: sql`now() - interval '61 seconds'` });
  await use();
  expect((await lastUse())?.getTime()).toBeGreaterThanOrEqual(first?.getTime() ?? Infinity);
});

it("writes down the use of a token that is verified from memory, too", async () => {
  const { token, id } = await issue();
  let now = Date.now();
  const clock: Clock = { ...systemClock, now: () => now, monotonic: () => 0 };
  const uses = async () =>
    (await store.db.select().from(tokenTable).where(eq(tokenTable.id, id)))[0]?.lastUsedAt;
  {
    await using reader = await createTokens({ store, clock, logger, adminToken: undefined });
    await reader.verify(token);
  }
  const first = await uses();
  await store.db.update(tokenTable).set({ lastUsedAt: sql`now() - interval '2 minutes'` });
  {
    await using reader = await createTokens({ store, clock, logger, adminToken: undefined });
    now -= 110_000;
    await reader.verify(token);
    now += 110_000;
    await reader.verify(token);
  }
  expect((await uses())?.getTime()).toBeGreaterThanOrEqual(first?.getTime() ?? Infinity);
});

it("says platform_unavailable when the store is gone, and does not call the token bad", async () => {
  const lost = await openMemoryStore();
  const reader = await createTokens({
    store: lost,
    clock: systemClock,
    logger,
    adminToken: undefined,
  });
  await lost[Symbol.asyncDispose]();
  await expect(reader.verify("A".repeat(43))).rejects.toMatchObject({
    code: "platform_unavailable",
  });
  await expect(reader.isOnFile(workspaceId)).rejects.toMatchObject({
    code: "platform_unavailable",
  });
});

describe("the administrator's token", () => {
  it("is made once, however many servers start on the store", async () => {
    const made = await Promise.all([1, 2, 3].map(() => issueFirstAdminToken(store.db)));
    const issued = made.filter((token) => token !== undefined);
    expect(issued).toHaveLength(1);
    expect(await tokens.verify(issued[0]?.token ?? "")).toEqual({ kind: "admin" });
    expect(await issueFirstAdminToken(store.db)).toBeUndefined();
  });

  it("is replaced by a rotation, at once", async () => {
    const first = await issueFirstAdminToken(store.db);
    expect(await tokens.verify(first?.token ?? "")).toEqual({ kind: "admin" });
    const second = await rotateAdminToken(store.db);
    await expect.poll(() => tokens.verify(first?.token ?? "")).toBeUndefined();
    expect(await tokens.verify(second.token)).toEqual({ kind: "admin" });
    expect(await issueFirstAdminToken(store.db)).toBeUndefined();
  });

  it("of the environment replaces the stored one", async () => {
    const stored = await issueFirstAdminToken(store.db);
    const adminToken = "chosen by a person, not 43 characters";
    await using reader = await createTokens({ store, clock: systemClock, logger, adminToken });
    expect(await reader.verify(adminToken)).toEqual({ kind: "admin" });
    expect(await reader.verify(`${adminToken}x`)).toBeUndefined();
    expect(await reader.verify(stored?.token ?? "")).toBeUndefined();
  });
});
