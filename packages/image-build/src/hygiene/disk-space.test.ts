import { describe, expect, it } from "vitest";
import { shouldClean } from "./disk-space.js";

const GIB = 1024 ** 3;
const space = { freeBytes: 10 * GIB, totalBytes: 100 * GIB };
const NEVER = { minFreeBytes: undefined, minFreePercent: undefined };

describe("a clean-up", () => {
  it("is always due when no free space is asked for", () => {
    expect(shouldClean(space, NEVER).kind).toBe("due");
    expect(shouldClean(undefined, NEVER).kind).toBe("due");
  });
  it.each([
    [{ ...NEVER, minFreeBytes: 10 * GIB }, "enough"],
    [{ ...NEVER, minFreeBytes: 10 * GIB + 1 }, "due"],
    [{ ...NEVER, minFreePercent: 10 }, "enough"],
    [{ ...NEVER, minFreePercent: 11 }, "due"],
    [{ minFreeBytes: 1, minFreePercent: 20 }, "due"],
  ])("with %j is %s", (trigger, kind) => {
    const due = shouldClean(space, trigger);
    expect(due.kind).toBe(kind);
    expect(due.reason).toContain("10.0 GB of 100.0 GB are free");
  });
  it("is not taken for due when the free space cannot be seen", () => {
    expect(shouldClean(undefined, { ...NEVER, minFreeBytes: 1 }).kind).toBe("unknown");
  });
});
