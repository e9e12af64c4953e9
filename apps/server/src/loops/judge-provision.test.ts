import { describe, expect, it } from "vitest";
import { judgeProvision, LOST_GRACE_MS } from "./judge-provision.js";

const MINUTE = 60_000;

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
