import { describe, expect, it } from "vitest";
import { refusals } from "../gates/engines.mjs";

/** @param {string} range */
const lockWith = (range) => `lockfileVersion: '9.0'
packages:
  fine@1.0.0:
    resolution: {integrity: sha512-x}
    engines: {node: '>=18'}
  silent@1.0.0:
    resolution: {integrity: sha512-x}
  poison@2.0.0:
    resolution: {integrity: sha512-x}
    engines: {node: '${range}'}
`;

describe("the engines gate", () => {
  it.each([">=22", ">=20.19.1", "^22.0.0 || >=24", "<20", "^20.20.0", "18 || 22"])(
    "refuses a lockfile with a package that wants Node %s, by its name",
    (range) => {
      expect(refusals(lockWith(range))).toEqual([expect.stringContaining("poison@2.0.0")]);
    },
  );

  it.each([">=20.19.0", "^20.19.0 || >=22.12.0", "*", ">=0.10", "20 || >=22", ""])(
    "accepts %s",
    (range) => {
      expect(refusals(lockWith(range))).toEqual([]);
    },
  );

  it("refuses a range it cannot read, and a lockfile without packages", () => {
    expect(refusals(lockWith("twenty"))).toEqual([expect.stringContaining("no range")]);
    expect(refusals("lockfileVersion: '9.0'\n")).toEqual([expect.stringContaining("no packages")]);
    expect(refusals("")).toEqual([expect.stringContaining("no packages")]);
  });
});
