import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { mayHappen, WORKSPACE_STATUSES } from "../state/workspace-status.js";
import { judgeHeartbeat, normalizeHeartbeat, type HeartbeatSubject } from "./heartbeat.js";

const asIs = (text: string): string => text;
const well = { errorRate: 0, runtimeState: "" };
const subject = (status: HeartbeatSubject["status"], other: Partial<HeartbeatSubject> = {}) => ({
  status,
  runtimeState: "",
  managesStatus: false,
  isOfEarlierAttempt: false,
  ...other,
});

describe("what a heartbeat means", () => {
  it.each([
    ["of an offline workspace: online", subject("offline"), well, "beat"],
    ["of a provisioning one: online", subject("provisioning"), well, "beat"],
    ["of one that waited for its agent: online", subject("awaiting_agent"), well, "beat"],
    ["of an online one: nothing", subject("online"), well, undefined],
    [
      "with half of the requests failed: degraded",
      subject("online"),
      { errorRate: 0.5, runtimeState: "" },
      "degrade",
    ],
    [
      "with fewer failed: nothing",
      subject("online"),
      { errorRate: 0.49, runtimeState: "" },
      undefined,
    ],
    [
      "of a wedged agent: degraded",
      subject("online"),
      { errorRate: 0, runtimeState: "wedged" },
      "degrade",
    ],
    [
      "of one still wedged: nothing",
      subject("degraded", { runtimeState: "wedged" }),
      { errorRate: 0, runtimeState: "wedged" },
      undefined,
    ],
    [
      "of one no longer wedged: online",
      subject("degraded", { runtimeState: "wedged" }),
      well,
      "recover",
    ],
    [
      "with a tenth failed while degraded: nothing",
      subject("degraded"),
      { errorRate: 0.1, runtimeState: "" },
      undefined,
    ],
    [
      "with many failed, of an adapter that manages its status: nothing",
      subject("online", { managesStatus: true }),
      { errorRate: 1, runtimeState: "" },
      undefined,
    ],
    [
      "of such an adapter that says it is wedged: degraded",
      subject("online", { managesStatus: true }),
      { errorRate: 0, runtimeState: "wedged" },
      "degrade",
    ],
    [
      "of such an adapter that takes it back, whatever its error rate: online",
      subject("degraded", { managesStatus: true, runtimeState: "wedged" }),
      { errorRate: 1, runtimeState: "" },
      "recover",
    ],
    [
      "of such an adapter, for what it did not declare itself: nothing",
      subject("degraded", { managesStatus: true }),
      well,
      undefined,
    ],
    [
      "from the container that is being replaced: nothing",
      subject("provisioning", { isOfEarlierAttempt: true }),
      well,
      undefined,
    ],
    ["of a failed one: nothing", subject("failed"), well, undefined],
    ["of a paused one: nothing", subject("paused"), well, undefined],
    ["of a hibernating one: nothing", subject("hibernating"), well, undefined],
    ["of a hibernated one: nothing", subject("hibernated"), well, undefined],
    ["of a removed one: nothing", subject("removed"), well, undefined],
  ])("%s", (_what, judged, beat, expected) => {
    expect(judgeHeartbeat(judged, beat)).toBe(expected);
  });

  it("is never more than the state machine lets happen", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...WORKSPACE_STATUSES),
        fc.constantFrom("", "wedged", "busy"),
        fc.constantFrom("", "wedged", "busy"),
        fc.boolean(),
        fc.boolean(),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (status, runtimeState, before, managesStatus, isOfEarlierAttempt, errorRate) => {
          const name = judgeHeartbeat(
            { status, runtimeState: before, managesStatus, isOfEarlierAttempt },
            { errorRate, runtimeState },
          );
          if (name !== undefined) expect(mayHappen(name, status)).toBe(true);
        },
      ),
    );
  });
});

describe("what is taken from a heartbeat", () => {
  it("counts what is not said as nothing, and leaves what was declared before", () => {
    expect(normalizeHeartbeat({}, asIs)).toEqual({
      errorRate: 0,
      sampleError: "",
      activeTasks: 0,
      uptimeSeconds: 0,
      currentTask: "",
      runtimeState: "",
      monthlySpend: undefined,
      managesStatus: undefined,
    });
    expect(normalizeHeartbeat({ error_rate: null, runtime_metadata: null }, asIs)).toEqual(
      normalizeHeartbeat({}, asIs),
    );
  });

  it.each([
    [-5, 0],
    [1e12 + 1, 1e12],
    [12.9, 12],
    [0, undefined],
  ])("takes a monthly spend of %d as %s", (spend, expected) => {
    expect(normalizeHeartbeat({ monthly_spend: spend }, asIs).monthlySpend).toBe(expected);
  });

  it.each([
    [{ status_mgmt: true }, true],
    [{ status_mgmt: false }, false],
    [["status_mgmt"], true],
    [[], false],
    [{}, false],
  ])("reads from the capabilities %j whether the adapter manages its status", (given, expected) => {
    const beat = normalizeHeartbeat({ runtime_metadata: { capabilities: given } }, asIs);
    expect(beat.managesStatus).toBe(expected);
  });

  it("keeps no secret, and no more of a text than fits", () => {
    const beat = normalizeHeartbeat(
      { sample_error: `no: hunter22 ${"x".repeat(9000)}`, current_task: "as hunter22" },
      (text) => text.replaceAll("hunter22", "***"),
    );
    expect(beat.sampleError).toHaveLength(2000);
    expect(beat.sampleError).toMatch(/^no: \*\*\* x+$/);
    expect(beat.currentTask).toBe("as ***");
  });

  it("fits the columns, whatever was sent", () => {
    const number = fc.oneof(fc.double({ noNaN: true }), fc.integer(), fc.constant(null));
    const text = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constant("\ud800\0"),
      fc.constant(null),
    );
    fc.assert(
      fc.property(
        fc.record({
          error_rate: number,
          active_tasks: number,
          uptime_seconds: number,
          monthly_spend: number,
          sample_error: text,
          current_task: text,
          runtime_state: text,
        }),
        (reported) => {
          const beat = normalizeHeartbeat(reported, asIs);
          for (const whole of [beat.activeTasks, beat.uptimeSeconds]) {
            expect(Number.isInteger(whole) && whole >= 0 && whole < 2 ** 31).toBe(true);
          }
          expect(beat.errorRate).toBeGreaterThanOrEqual(0);
          expect(beat.errorRate).toBeLessThanOrEqual(1);
          if (beat.monthlySpend !== undefined) {
            expect(Number.isSafeInteger(beat.monthlySpend)).toBe(true);
          }
          for (const kept of [beat.sampleError, beat.currentTask, beat.runtimeState]) {
            expect(kept).not.toMatch(/\0|\p{Surrogate}/u);
          }
        },
      ),
    );
  });
});
