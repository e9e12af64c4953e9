import { LABELS, systemClock } from "@molecule-ai/core";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
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

  it("of a process whose number another one has by now is abandoned at once", () => {
    const { pid } = spawnSync("true");
    expect(isAbandoned(labels(`${hostname()}/${process.ppid}/1/x`), systemClock)).toBe(true);
    expect(isAbandoned(labels(`${hostname()}/${process.pid}/1/x`), systemClock)).toBe(true);
    expect(isAbandoned(labels(`${hostname()}/${pid}/1/x`), systemClock)).toBe(true);
  });

  it("of a live process of this machine is under way, however long it takes", async () => {
    const child = spawn("sleep", ["60"]);
    try {
      await once(child, "spawn");
      const startedAt = readFileSync(`/proc/${child.pid}/stat`, "utf8")
        .split(") ")[1]
        ?.split(" ")[19];
      const tag = `${hostname()}/${child.pid}/${startedAt}/x`;
      expect(isAbandoned(labels(tag), systemClock)).toBe(false);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("of anybody but this process is abandoned for a caller that took the workspace over", () => {
    using attempt = beginAttempt();
    const over = { takeOver: true };
    expect(isAbandoned(labels(attempt.tag), systemClock, over)).toBe(false);
    expect(isAbandoned(labels("elsewhere/1/7/x"), systemClock, over)).toBe(true);
    expect(isAbandoned(labels(`${hostname()}/${process.ppid}/x`), systemClock, over)).toBe(true);
  });

  it("of another machine is believed for a while", () => {
    expect(isAbandoned(labels("elsewhere/1/x"), systemClock)).toBe(false);
    expect(isAbandoned(labels("elsewhere/1/x", 20 * 60_000), systemClock)).toBe(true);
    expect(isAbandoned({}, systemClock)).toBe(false);
  });
});
