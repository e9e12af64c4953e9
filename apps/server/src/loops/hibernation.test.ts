import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { createHibernationLoop, isIdle } from "./hibernation.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop hibernation", () => {
    let fixture: LoopFixture;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    const MINUTE = 60_000;
    const idle = {
      status: "online" as const,
      runtime: "langgraph",
      activeTasks: 0,
      hibernationIdleMinutes: 5,
      lastActiveAt: ago(6 * MINUTE),
      lastOutboundAt: null,
      provisionStartedAt: ago(7 * MINUTE),
      createdAt: ago(8 * MINUTE),
    };

    describe("isIdle", () => {
      it("is true for a workspace that had nothing to do for long enough", () => {
        expect(isIdle(idle, Date.now())).toBe(true);
        expect(isIdle({ ...idle, status: "degraded" }, Date.now())).toBe(true);
      });

      it.each<[string, Partial<Parameters<typeof isIdle>[0]>]>([
        ["has tasks", { activeTasks: 1 }],
        ["never asked for it", { hibernationIdleMinutes: 0 }],
        ["is external", { runtime: "external" }],
        ["is not online", { status: "offline" }],
        ["had something to do a moment ago", { lastActiveAt: ago(4 * MINUTE) }],
        ["called somebody a moment ago", { lastOutboundAt: ago(4 * MINUTE) }],
        ["was started a moment ago", { provisionStartedAt: ago(4 * MINUTE) }],
        ["is new", { provisionStartedAt: null, createdAt: ago(4 * MINUTE), lastActiveAt: null }],
      ])("is false for one that %s", (_name, more) => {
        expect(isIdle({ ...idle, ...more }, Date.now())).toBe(false);
      });
    });

    it("puts idle workspaces to sleep with an operation that does it, and no others", async () => {
      // It lives: that alone keeps nobody awake.
      const first = await fixture.addWorkspace({ ...idle, lastHeartbeatAt: ago(0) });
      const second = await fixture.addWorkspace(idle);
      const busy = await fixture.addWorkspace({ ...idle, activeTasks: 2 });
      const restarting = await fixture.addWorkspace(idle);
      await fixture.addOperation(restarting, { kind: "restart", state: "queued" });
      const loop = createHibernationLoop(fixture.context());
      expect(await loop.run({ signal })).toEqual({ candidates: 2, hibernated: 2 });
      for (const id of [first, second]) {
        expect(await fixture.statusOf(id)).toBe("hibernating");
        expect(await fixture.operationsOf(id)).toMatchObject([
          { kind: "hibernate", state: "queued" },
        ]);
      }
      expect(await fixture.statusOf(busy)).toBe("online");
      expect(await fixture.statusOf(restarting)).toBe("online");
      expect(await loop.run({ signal })).toEqual({ candidates: 0, hibernated: 0 });
    });
  });
});
