import fc from "fast-check";
import { expect, it } from "vitest";
import { MOST_RECOVERIES, planRecovery } from "./plan-recovery.js";

it("restarts a workspace at once when it is lost for the first time", () => {
  expect(planRecovery({ restarts: 0, sinceLastMs: undefined })).toEqual({ kind: "restart" });
});

it("waits longer after each restart", () => {
  const waits = [1, 2, 3, 4].map((restarts) => planRecovery({ restarts, sinceLastMs: 0 }));
  expect(waits).toEqual([5, 10, 20, 40].map((s) => ({ kind: "wait", ms: s * 1000 })));
});

it("restarts again once the wait is over", () => {
  expect(planRecovery({ restarts: 2, sinceLastMs: 10_000 })).toEqual({ kind: "restart" });
  expect(planRecovery({ restarts: 2, sinceLastMs: 9_000 })).toEqual({ kind: "wait", ms: 1000 });
});

it("gives up after the fifth, however long ago the last one was", () => {
  fc.assert(
    fc.property(fc.nat(50), fc.option(fc.nat(1e9), { nil: undefined }), (restarts, sinceLastMs) => {
      const { kind } = planRecovery({ restarts, sinceLastMs });
      expect(kind === "giveUp").toBe(restarts >= MOST_RECOVERIES);
    }),
  );
});
