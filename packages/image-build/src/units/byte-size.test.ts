import fc from "fast-check";
import { expect, test } from "vitest";
import { formatByteSize, parseByteSize, parseDockerSize } from "./byte-size.js";

const refusal = expect.objectContaining({ code: "ERR_BUILD_UNIT" });

test.each([
  ["42", 42],
  ["42B", 42],
  ["0", 0],
  ["100KB", 102_400],
  ["100 kb", 102_400],
  ["500mb", 524_288_000],
  ["2TB", 2_199_023_255_552],
  ["1.5GB", 1_610_612_736],
  ["10GiB", 10_737_418_240],
  ["20g", 21_474_836_480],
  ["1.1KB", 1126],
])("%j is %d bytes", (text, bytes) => {
  expect(parseByteSize(text)).toBe(bytes);
});

test("what Docker prints counts in thousands unless it says otherwise", () => {
  expect(parseDockerSize("2.3GB")).toBe(2_300_000_000);
  expect(parseDockerSize("488.3MiB")).toBe(512_019_661);
  expect(parseDockerSize("0B")).toBe(0);
  expect(parseDockerSize("1.234kB")).toBe(1234);
});

test.each([
  "",
  "x",
  "lots",
  "GB",
  "-1",
  "1,5GB",
  "1.GB",
  "10iB",
  "10 G B",
  "1e9",
  "0x10",
  "9PB1",
  "9007199254740992",
])("%j is refused, not read up to where it still makes sense", (text) => {
  expect(() => parseByteSize(text)).toThrow(refusal);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KB"],
  [5_242_880, "5.0 MB"],
  [16_106_127_360, "15.0 GB"],
])("%d bytes are written %s", (bytes, text) => {
  expect(formatByteSize(bytes)).toBe(text);
});

test("what is written is read back to a tenth of its unit", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 50 }), (bytes) => {
      const back = parseByteSize(formatByteSize(bytes));
      expect(Math.abs(back - bytes)).toBeLessThanOrEqual(0.0501 * 1024 ** 3);
      if (bytes < 1024) expect(back).toBe(bytes);
    }),
  );
});

test("any text is read or refused, and quickly", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 200 }), (text) => {
      try {
        expect(Number.isSafeInteger(parseByteSize(text))).toBe(true);
      } catch (error) {
        expect(error).toEqual(refusal);
      }
    }),
  );
  const started = performance.now();
  expect(() => parseByteSize("1".repeat(1e6))).toThrow(refusal);
  expect(performance.now() - started).toBeLessThan(15_000);
});
