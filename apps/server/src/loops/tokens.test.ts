import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { tokens } from "../store/schema.js";
import { createTokensLoop, isStaleToken, TOKEN_GRACE_MS, type AttemptToken } from "./tokens.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop tokens", () => {
    let fixture: LoopFixture;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    const stale: AttemptToken = {
      workspaceStatus: "online",
      isExternal: false,
      operationState: "failed",
      endedMs: TOKEN_GRACE_MS,
      wasUsedSince: false,
      hasOther: true,
    };

    describe("isStaleToken", () => {
      it("is true for what an attempt left that failed or was cancelled", () => {
        expect(isStaleToken(stale)).toBe(true);
        expect(isStaleToken({ ...stale, operationState: "cancelled" })).toBe(true);
      });

      it.each<[string, Partial<AttemptToken>]>([
        ["of an attempt that succeeded", { operationState: "succeeded" }],
        ["of an attempt under way", { operationState: "running", endedMs: undefined }],
        ["within the grace", { endedMs: TOKEN_GRACE_MS - 1 }],
        ["of an external agent", { isExternal: true }],
        ["of a removed workspace", { workspaceStatus: "removed" }],
        ["of a workspace that is provisioning", { workspaceStatus: "provisioning" }],
        ["that is used", { wasUsedSince: true }],
        ["that is the only one of a workspace that runs", { hasOther: false }],
      ])("is false for a token %s", (_name, more) => {
        expect(isStaleToken({ ...stale, ...more })).toBe(false);
      });

      it("is true for the only one of a workspace that failed", () => {
        expect(isStaleToken({ ...stale, hasOther: false, workspaceStatus: "failed" })).toBe(true);
      });
    });

    it("revokes exactly the tokens of the attempt that failed", async () => {
      const id = await fixture.addWorkspace();
      const failed = await fixture.addOperation(id, { state: "failed", finishedAt: ago(400_000) });
      const good = await fixture.addOperation(id, { finishedAt: ago(900_000) });
      const { db } = fixture.store;
      const add = async (operationId: string | null, lastUsedAt: Date | null = null) => {
        const tokenId = randomUUID();
        await db.insert(tokens).values({
          id: tokenId,
          workspaceId: id,
          tokenHash: Buffer.from(randomUUID()),
          prefix: "12345678",
          operationId,
          createdBy: "system",
          lastUsedAt,
        });
        return tokenId;
      };
      const left = await add(failed);
      await add(good, ago(1000));
      await add(null);
      const context = fixture.context();
      const loop = createTokensLoop(context);
      expect(await loop.run({ signal })).toEqual({ revoked: 1 });
      expect((await context.tokens.list(id)).map((token) => token.id)).not.toContain(left);
      expect(await context.tokens.list(id)).toHaveLength(2);
      expect(await fixture.events()).toEqual([
        {
          type: "TOKEN_REVOKED",
          workspaceId: id,
          payload: expect.objectContaining({ token_id: left }) as unknown,
        },
      ]);
      expect(await loop.run({ signal })).toEqual({ revoked: 0 });
    });

    it("leaves the token that the old container uses after a failed replacement", async () => {
      const id = await fixture.addWorkspace();
      const failed = await fixture.addOperation(id, { state: "failed", finishedAt: ago(400_000) });
      await fixture.store.db.insert(tokens).values({
        id: randomUUID(),
        workspaceId: id,
        tokenHash: Buffer.from("used"),
        prefix: "12345678",
        operationId: failed,
        createdBy: "system",
        lastUsedAt: ago(1000),
      });
      expect(await createTokensLoop(fixture.context()).run({ signal })).toEqual({ revoked: 0 });
    });
  });
});
