import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extractInventory, formatCycloneDx, formatInventory } from "../src/index.js";
import { dockerfiles } from "./support.js";

describe("Dockerfiles nobody wrote by hand", () => {
  it(
    "a thousand generated ones give an inventory each, and the same one each time",
    { timeout: 120_000 },
    () => {
      fc.assert(
        fc.property(dockerfiles, (text) => {
          fc.pre(!text.includes("\0"));
          const inventory = extractInventory(text, { buildArgs: { V: "9" } });
          expect(extractInventory(text, { buildArgs: { V: "9" } })).toEqual(inventory);
          expect(JSON.parse(JSON.stringify(inventory))).toEqual(inventory);
          formatInventory(inventory);
          const lines = text.split("\n").length;
          for (const { line } of [...inventory.findings, ...inventory.packages]) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(line).toBeLessThanOrEqual(lines);
          }
        }),
        { numRuns: 1000 },
      );
    },
  );

  it("any text is read or refused as binary", { timeout: 60_000 }, () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (text) => {
        try {
          extractInventory(`FROM a\nRUN ${text}`);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_DOCKERFILE_BINARY" });
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("writes CycloneDX for any of them", { timeout: 60_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(dockerfiles, async (text) => {
        fc.pre(!text.includes("\0"));
        const document: unknown = JSON.parse(await formatCycloneDx(extractInventory(text)));
        expect(document).toMatchObject({ bomFormat: "CycloneDX", specVersion: "1.6" });
      }),
      { numRuns: 200 },
    );
  });
});
