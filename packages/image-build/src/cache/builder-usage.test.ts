import fc from "fast-check";
import { expect, test } from "vitest";
import { parseReclaimed, parseUsageJson, parseUsageText } from "./builder-usage.js";

const TABLE = `ID\t\t\t\t\tRECLAIMABLE\tSIZE\t\tLAST ACCESSED
8rxi254x2zapj7dzcy3yodici               \ttrue \t\t0B*       \t4 minutes ago
Shared:\t\t11.89MB
Private:\t33.73MB
Reclaimable:\t45.62MB
Total:\t\t45.62MB
`;

test("the table of buildx 0.13", () => {
  expect(parseUsageText(TABLE)).toEqual({ totalBytes: 45_620_000, reclaimableBytes: 45_620_000 });
  expect(parseUsageText("Total:\t2.3GB\n")).toEqual({
    totalBytes: 2_300_000_000,
    reclaimableBytes: undefined,
  });
  expect(parseReclaimed("Total:\t0B\n")).toBe(0);
  expect(parseUsageText("ERROR: no such builder")).toBeUndefined();
});

test("a description that looks like the summary is not it", () => {
  expect(parseReclaimed("Total:\t9GB\nDescription: x\nTotal:\t1.1GB\n")).toBe(1_100_000_000);
});

test("records as JSON, a line each", () => {
  const lines = [
    { ID: "a", Size: "2GB", Reclaimable: true },
    { ID: "b", Size: "8.2kB*", Reclaimable: false },
    { ID: "c", Size: 100, Reclaimable: true },
  ].map((record) => JSON.stringify(record));
  expect(parseUsageJson(lines.join("\n"))).toEqual({
    totalBytes: 2_000_008_300,
    reclaimableBytes: 2_000_000_100,
  });
  expect(parseUsageJson("")).toEqual({ totalBytes: 0, reclaimableBytes: 0 });
  expect(parseUsageJson('{"Size":"much"}')).toBeUndefined();
  expect(parseUsageJson("ID RECLAIMABLE")).toBeUndefined();
});

test("any text is read or not, and a long one quickly", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const parse of [parseUsageText, parseUsageJson, parseReclaimed]) {
        parse(text);
        parse(`Total:${text}`);
      }
    }),
  );
  const started = performance.now();
  parseUsageText("Total:\n".repeat(200_000));
  parseUsageJson(`{"Size":"${"1".repeat(2_000_000)}"}`);
  expect(performance.now() - started).toBeLessThan(15_000);
});
