import { describe, expect, it } from "vitest";
import { judgeProvision, LOST_GRACE_MS, provisionTimeoutMs } from "./judge-provision.js";

const MINUTE = 60_000;

describe("provisionTimeoutMs", () => {
  const of = (runtime: string, more: { configuredMs?: number; templateMs?: number } = {}): number =>
    provisionTimeoutMs({ runtime, configuredMs: undefined, templateMs: undefined, ...more });

  it("gives hermes half an hour and every other runtime ten minutes", () => {
    expect(of("hermes")).toBe(30 * MINUTE);
    for (const runtime of ["langgraph", "claude-code", "crewai", "autogen", "", "unknown"]) {
      expect(of(runtime)).toBe(10 * MINUTE);
    }
  });

  it("takes what the templates ask for, and the operator's word over all", () => {
    expect(of("langgraph", { templateMs: 5 })).toBe(5);
    expect(of("hermes", { templateMs: 5, configuredMs: 7 })).toBe(7);
  });
});

describe("judgeProvision", () => {
  const timeoutMs = 10 * MINUTE;
  const running = (idleMs: number) => ({ isQueued: false, idleMs, queueIdleMs: idleMs });

  it("fails what nobody works on, after a moment of grace", () => {
    const lost = (quietMs: number) =>
      judgeProvision({ ageMs: quietMs, quietMs, operation: undefined }, timeoutMs);
    expect(lost(LOST_GRACE_MS - 1)).toBe("leave");
    expect(lost(LOST_GRACE_MS)).toBe("fail");
  });

  it("cancels what makes no progress for the whole time", () => {
    const facts = { ageMs: 700_000, quietMs: 0, operation: running(700_000) };
    expect(judgeProvision(facts, timeoutMs)).toBe("cancel");
    expect(judgeProvision(facts, 30 * MINUTE)).toBe("leave");
  });

  it("leaves what makes progress, however long it takes", () => {
    const facts = { ageMs: 3_600_000, quietMs: 0, operation: running(1000) };
    expect(judgeProvision(facts, timeoutMs)).toBe("leave");
  });

  it("leaves what waits in a queue that moves, and cancels it in one that stands still", () => {
    const queued = (queueIdleMs: number) =>
      judgeProvision(
        {
          ageMs: undefined,
          quietMs: 3_600_000,
          operation: { isQueued: true, idleMs: 3_600_000, queueIdleMs },
        },
        timeoutMs,
      );
    expect(queued(1000)).toBe("leave");
    expect(queued(timeoutMs)).toBe("cancel");
  });
});
