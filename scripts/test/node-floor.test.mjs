import { expect, it } from "vitest";
import { isAtLeast } from "../node-floor.mjs";

it.each([
  ["v20.19.0", true],
  ["v20.19.5", true],
  ["v22.0.0", true],
  ["v20.18.9", false],
  ["v18.99.99", false],
  ["v20.19.0-nightly", true],
])("compares %s with the floor by number", (version, expected) => {
  expect(isAtLeast(version, "20.19.0")).toBe(expected);
});
