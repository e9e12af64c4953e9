import { expect, it } from "vitest";
import { createStageDeadlines } from "./stage-deadlines.js";

const MINUTE = 60_000;
const byDefault = createStageDeadlines({ overrideMs: undefined });

it("gives hermes half an hour and every other runtime ten minutes", () => {
  expect(byDefault(undefined, "hermes")).toBe(30 * MINUTE);
  for (const runtime of ["langgraph", "claude-code", "crewai", "autogen", "", "unknown"]) {
    expect(byDefault(undefined, runtime)).toBe(10 * MINUTE);
    expect(byDefault("ready", runtime)).toBe(10 * MINUTE);
  }
});

it("gives a build half an hour at least", () => {
  expect(byDefault("build", "langgraph")).toBe(30 * MINUTE);
  const ofTemplatesMs = new Map([
    ["langgraph", MINUTE],
    ["hermes", 60 * MINUTE],
  ]);
  const deadlines = createStageDeadlines({ overrideMs: undefined, ofTemplatesMs });
  expect(deadlines("build", "langgraph")).toBe(30 * MINUTE);
  expect(deadlines("build", "hermes")).toBe(60 * MINUTE);
});

it("takes what the templates of a runtime ask for, and the operator's word over all", () => {
  const ofTemplatesMs = new Map([["hermes", 5 * MINUTE]]);
  const deadlines = createStageDeadlines({ overrideMs: undefined, ofTemplatesMs });
  expect(deadlines("start", "hermes")).toBe(5 * MINUTE);
  expect(deadlines("start", "langgraph")).toBe(10 * MINUTE);
  const overridden = createStageDeadlines({ overrideMs: MINUTE, ofTemplatesMs });
  expect(overridden("build", "hermes")).toBe(MINUTE);
});
