import { LABELS, systemClock } from "@molecule-ai/core";
import { spawnSync } from "node:child_process";
import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { beginAttempt, isAbandoned } from "./attempt.js";

const labels = (tag: string, ageMs = 0): Record<string, string> => ({
  [LABELS.attempt]: tag,
  [LABELS.createdAt]: String(Date.now() - ageMs),
});

describe("an attempt", () => {
  it("of this process is abandoned as soon as it ended", () => {
    const attempt = beginAttempt();
    expect(isAbandoned(labels(attempt.tag), systemClock)).toBe(false);
    attempt[Symbol.dispose]();
    expect(isAbandoned(labels(attempt.tag), systemClock)).toBe(true);
  });

  it("of a process that is gone from this machine is abandoned at once", () => {
    const { pid } = spawnSync("true");
    expect(isAbandoned(labels(`${hostname()}/${pid}/x`), systemClock)).toBe(true);
    expect(isAbandoned(labels(`${hostname()}/${process.ppid}/x`), systemClock)).toBe(false);
  });

  it("of another machine is believed for a while", () => {
    expect(isAbandoned(labels("elsewhere/1/x"), systemClock)).toBe(false);
    expect(isAbandoned(labels("elsewhere/1/x", 20 * 60_000), systemClock)).toBe(true);
    expect(isAbandoned({}, systemClock)).toBe(false);
  });
});
