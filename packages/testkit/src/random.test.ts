import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRandom } from "./random.js";

const draw = (seed: number): number[] => {
  const next = createRandom(seed);
  return Array.from({ length: 50 }, () => next());
};

describe("createRandom", () => {
  it("gives numbers in [0, 1), the same for the same seed and others for another", () => {
    fc.assert(
      fc.property(fc.nat(0xffff_fffe), (seed) => {
        const numbers = draw(seed);
        expect(numbers.every((number) => number >= 0 && number < 1)).toBe(true);
        expect(draw(seed)).toEqual(numbers);
        expect(draw(seed + 1)).not.toEqual(numbers);
        expect(new Set(numbers).size).toBeGreaterThan(40);
      }),
    );
  });
});
