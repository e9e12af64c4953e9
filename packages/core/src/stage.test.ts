import { expect, it } from "vitest";
import { ProvisionerError } from "./errors.js";
import type { ProvisionEvent } from "./events.js";
import { systemClock } from "./clock.js";
import { describeFailure, runStage } from "./stage.js";

function recorder(): { events: ProvisionEvent[]; onEvent: (event: ProvisionEvent) => void } {
  const events: ProvisionEvent[] = [];
  return { events, onEvent: (event) => void events.push(event) };
}

it("announces a stage, and how it ended and how long it took", async () => {
  const { events, onEvent } = recorder();
  const times = [100, 142.25];
  const clock = { ...systemClock, monotonic: () => times.shift() ?? 0 };
  const result = await runStage(
    { stage: "build", subject: "hello", clock, onEvent, outcome: (n) => `built ${n}` },
    () => Promise.resolve(7),
  );
  expect(result).toBe(7);
  expect(events).toEqual([
    { type: "stage.started", stage: "build", subject: "hello" },
    { type: "stage.finished", stage: "build", outcome: "built 7", durationMs: 42.3 },
  ]);
});

it("announces a failure and rethrows the same error", async () => {
  const { events, onEvent } = recorder();
  const failure = new ProvisionerError("ERR_X", "x failed", { hint: "do y" });
  const run = runStage(
    { stage: "head", subject: "r", clock: systemClock, onEvent, outcome: () => "never" },
    () => Promise.reject(failure),
  );
  await expect(run).rejects.toBe(failure);
  expect(events[1]).toMatchObject({
    type: "stage.failed",
    stage: "head",
    error: { code: "ERR_X", hint: "do y" },
  });
});

it("describes aborts, foreign errors and thrown non-errors", () => {
  expect(describeFailure(AbortSignal.abort().reason)).toMatchObject({ code: "ERR_ABORTED" });
  const cause = new TypeError("x is not a function");
  expect(describeFailure(cause)).toMatchObject({ code: "ERR_INTERNAL", cause });
  expect(describeFailure("text").message).toContain("text");
});
