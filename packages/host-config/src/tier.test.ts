import { describe, expect, it } from "vitest";
import { DEFAULT_TIER, isPrivilegedTier, normaliseTier, parseTier, TIERS } from "./tier.js";

describe("normaliseTier", () => {
  it("keeps the four tiers", () => {
    expect(TIERS.map(normaliseTier)).toEqual([1, 2, 3, 4]);
  });

  it.each([0, 99, -1, 5, 2.5, Number.NaN, Number.POSITIVE_INFINITY, "", "zero", undefined])(
    "makes %s the default tier, which is 2",
    (value) => {
      expect(normaliseTier(value)).toBe(2);
      expect(DEFAULT_TIER).toBe(2);
    },
  );
});

describe("parseTier", () => {
  it("reads numbers and texts", () => {
    expect(["1", " 2 ", "T3", "t4", 3].map((value) => parseTier(value))).toEqual([1, 2, 3, 4, 3]);
  });

  it.each(["0", "5", "99", "", "two", "TT2", "1.5", "-1", "1e0"])("does not read %j", (text) => {
    expect(parseTier(text)).toBeUndefined();
  });
});

describe("isPrivilegedTier", () => {
  it("is true for 3 and 4", () => {
    expect(TIERS.filter(isPrivilegedTier)).toEqual([3, 4]);
  });
});
