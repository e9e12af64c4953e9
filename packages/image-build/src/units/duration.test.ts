import fc from "fast-check";
import { expect, test } from "vitest";
import { formatGoDuration, parseDuration } from "./duration.js";

const refusal = expect.objectContaining({ code: "ERR_BUILD_UNIT" });

test.each([
  ["0", 0],
  ["7d", 604_800_000],
  ["1.5d", 129_600_000],
  ["1d12h", 129_600_000],
  ["1h30m", 5_400_000],
  ["1.1h", 3_960_000],
  [".5s", 500],
  ["1.s", 1000],
  ["100ns", 0.0001],
  ["3µs", 0.003],
  [" 45s ", 45_000],
])("%j is %d milliseconds", (text, ms) => {
  expect(parseDuration(text)).toBe(ms);
});

test.each([
  "",
  " ",
  "d",
  ".d",
  "5",
  "-1h",
  "1h30",
  "1x",
  "1h 30m",
  "7days",
  "1e3s",
  "soon",
  "999999999999d",
])("%j is refused", (text) => {
  expect(() => parseDuration(text)).toThrow(refusal);
});

test.each([
  [0, "0s"],
  [45_000, "45s"],
  [5_400_000, "1h30m"],
  [604_800_000, "168h"],
  [250, "0.25s"],
  [3_600_001, "1h0.001s"],
])("%d milliseconds are written %s", (ms, text) => {
  expect(formatGoDuration(ms)).toBe(text);
});

test("what is written is read back as the same, and only zero is written as zero", () => {
  fc.assert(
    fc.property(fc.nat(2 ** 40), (ms) => {
      const text = formatGoDuration(ms);
      expect(parseDuration(text)).toBe(ms);
      expect(text === "0s").toBe(ms === 0);
    }),
  );
});

test("any text is read or refused, and quickly", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      try {
        expect(parseDuration(text)).toBeGreaterThanOrEqual(0);
      } catch (error) {
        expect(error).toEqual(refusal);
      }
    }),
  );
  const started = performance.now();
  for (const text of ["1".repeat(1e6), `${"1h".repeat(5e5)}x`, " ".repeat(1e6)]) {
    expect(() => parseDuration(text)).toThrow(refusal);
  }
  expect(performance.now() - started).toBeLessThan(15_000);
});
