import { expect, it } from "vitest";
import { mocksIn } from "../gates/mocks.mjs";

// Put together here, or the gate would find its own test.
const vi = "vi";

it("finds module mocks and spies, however they are spaced", () => {
  expect(mocksIn(`${vi}.mock("node:fs");\n${vi} . spyOn(fs, "readFile")`)).toEqual([
    "vi.mock",
    "vi.spyOn",
  ]);
});

it("lets plain functions and fake timers pass", () => {
  expect(mocksIn(`${vi}.fn(); ${vi}.useFakeTimers(); envi.mock()`)).toEqual([]);
});
