import { systemClock } from "@molecule-ai/core";
import { findTestPostgres, startTestPostgres } from "@molecule-ai/testkit";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { issueFirstAdminToken, rotateAdminToken } from "../src/access/admin-token.js";
import { createTokens } from "../src/access/tokens.js";
import { openStore } from "../src/store/open-store.js";
import { workspaces } from "../src/store/schema.js";

const postgres = await findTestPostgres();
const logger = pino({ level: "silent" });

describe.skipIf(postgres.skip !== undefined)("two servers on one PostgreSQL", () => {
  it("make one administrator's token, and each refuses at once what the other revoked", async () => {
    await using cluster = await startTestPostgres();
    const databaseUrl = await cluster.createDatabase();
    const options = { databaseUrl, stateDirectory: undefined, logger };
    await using one = await openStore(options);
    await using two = await openStore(options);
    // Memory that never ends by time: only a notification can make the other server forget.
    const clock = { ...systemClock, monotonic: () => 0 };
    await using here = await createTokens({ store: one, clock, logger, adminToken: undefined });
    await using there = await createTokens({ store: two, clock, logger, adminToken: undefined });

    const made = await Promise.all(
      [one, two, one, two].map((store) => issueFirstAdminToken(store.db)),
    );
    const admins = made.filter((token) => token !== undefined);
    expect(admins).toHaveLength(1);
    const admin = admins[0]?.token ?? "";
    expect(await there.verify(admin)).toEqual({ kind: "admin" });
    await rotateAdminToken(one.db);
    await expect.poll(() => there.verify(admin)).toBeUndefined();

    const workspaceId = randomUUID();
    await one.db.insert(workspaces).values({
      id: workspaceId,
      name: "w",
      tier: 2,
      status: "online",
      runtime: "langgraph",
      createdBy: "admin",
    });
    const { token, id } = await one.db.transaction((tx) =>
      here.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" }),
    );
    expect([await here.verify(token), await there.verify(token)]).toMatchObject([
      { kind: "workspace" },
      { kind: "workspace" },
    ]);
    await one.db.transaction((tx) => here.revoke(tx, workspaceId, id));
    expect(await here.verify(token)).toBeUndefined();
    await expect.poll(() => there.verify(token)).toBeUndefined();
  });

  it("give a workspace one first token and no more than its most, though both are asked at once", async () => {
    await using cluster = await startTestPostgres();
    const databaseUrl = await cluster.createDatabase();
    await using store = await openStore({ databaseUrl, stateDirectory: undefined, logger });
    await using tokens = await createTokens({
      store,
      clock: systemClock,
      logger,
      adminToken: undefined,
    });
    const workspaceId = randomUUID();
    const row = { name: "w", tier: 2, status: "online", runtime: "external" } as const;
    await store.db.insert(workspaces).values({ ...row, id: workspaceId, createdBy: "admin" });
    const wanted = { workspaceId, operationId: undefined, createdBy: "admin" };
    const first = await Promise.all(
      Array.from({ length: 8 }, () => store.db.transaction((tx) => tokens.issueFirst(tx, wanted))),
    );
    expect(first.filter((token) => token !== undefined)).toHaveLength(1);
    const more = await Promise.allSettled(
      Array.from({ length: 60 }, () => store.db.transaction((tx) => tokens.issue(tx, wanted))),
    );
    expect(more.filter(({ status }) => status === "fulfilled")).toHaveLength(49);
    expect(await tokens.list(workspaceId)).toHaveLength(50);
  });
});
