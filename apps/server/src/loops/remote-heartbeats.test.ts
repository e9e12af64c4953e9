import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { ago, openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { storeHomes } from "../../test/support/store-homes.js";
import { createRemoteHeartbeatsLoop, isSilent } from "./remote-heartbeats.js";

describe.each(storeHomes)("on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("the loop remote-heartbeats", () => {
    let fixture: LoopFixture;
    beforeAll(async () => {
      fixture = await openLoopFixture(kind);
    });
    afterEach(() => fixture.clear());
    afterAll(() => fixture?.[Symbol.asyncDispose]());

    const signal = new AbortController().signal;

    function run(env: Record<string, string> = {}) {
      return createRemoteHeartbeatsLoop(fixture.context(env)).run({ signal });
    }

    it("takes external agents that fell silent offline, each with an event", async () => {
      const external = { runtime: "external", hostId: null };
      const ids = [
        await fixture.addWorkspace({ ...external, lastHeartbeatAt: ago(91_000) }),
        await fixture.addWorkspace({ ...external, status: "degraded", updatedAt: ago(91_000) }),
      ];
      const fresh = await fixture.addWorkspace({
        ...external,
        lastHeartbeatAt: ago(80_000),
        updatedAt: ago(900_000),
      });
      expect(await run()).toMatchObject({ offline: 2 });
      for (const id of ids) expect(await fixture.statusOf(id)).toBe("offline");
      expect(await fixture.statusOf(fresh)).toBe("online");
      const events = await fixture.events();
      expect(events.map(({ type }) => type)).toEqual(["WORKSPACE_OFFLINE", "WORKSPACE_OFFLINE"]);
      expect(new Set(events.map(({ workspaceId }) => workspaceId))).toEqual(new Set(ids));
      expect(events[0]?.payload).toMatchObject({ stale_after_secs: 90, runtime: "external" });
      expect(await run()).toMatchObject({ offline: 0 });
    });

    it.each([
      ["", 90],
      ["45", 45],
      ["abc", 90],
      ["0", 90],
      ["-10", 90],
    ])("waits as long as REMOTE_LIVENESS_STALE_AFTER=%j says: %i s", async (value, seconds) => {
      const env = { REMOTE_LIVENESS_STALE_AFTER: value };
      const young = ago(seconds * 1000 - 10_000);
      const old = ago(seconds * 1000 + 1000);
      await fixture.addWorkspace({ runtime: "external", lastHeartbeatAt: young });
      expect(await run(env)).toMatchObject({ offline: 0 });
      await fixture.addWorkspace({ runtime: "external", lastHeartbeatAt: old });
      expect(await run(env)).toMatchObject({ offline: 1 });
    });

    it("only counts a silent agent whose container runs", async () => {
      const id = await fixture.addWorkspace({ lastHeartbeatAt: ago(3_600_000) });
      await fixture.addWorkspace({ lastHeartbeatAt: null, updatedAt: ago(3_600_000) });
      expect(await run()).toEqual({ offline: 0, silent_containers: 1, silent_ids: [id] });
      expect(await fixture.statusOf(id)).toBe("online");
    });

    it("leaves external agents alone that are not online", async () => {
      for (const status of ["awaiting_agent", "offline", "paused", "removed"] as const) {
        await fixture.addWorkspace({ status, runtime: "external", updatedAt: ago(3_600_000) });
      }
      expect(await run()).toMatchObject({ offline: 0 });
      expect(await fixture.events()).toEqual([]);
    });

    it("counts from the last beat, and from the last change only where there was none", () => {
      const options = { now: 100_000, staleMs: 90_000 };
      const at = (ms: number) => new Date(ms);
      expect(isSilent({ lastHeartbeatAt: at(10_000), updatedAt: at(99_000) }, options)).toBe(true);
      expect(isSilent({ lastHeartbeatAt: at(10_001), updatedAt: at(0) }, options)).toBe(false);
      expect(isSilent({ lastHeartbeatAt: null, updatedAt: at(10_000) }, options)).toBe(true);
    });
  });
});
