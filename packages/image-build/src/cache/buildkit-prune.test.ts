import { expect, test } from "vitest";
import { planBuildkitPrune } from "./buildkit-prune.js";

const prune = ["prune", "--builder", "b", "--force"];

test("age and space are two commands, since in one a record must break both rules", () => {
  expect(planBuildkitPrune("b", { maxAgeMs: 604_800_000, maxUsedBytes: 1000 }, "spaces")).toEqual([
    [...prune, "--filter", "until=168h"],
    [...prune, "--max-used-space", "1000"],
  ]);
});

test("an age of seconds stays one", () => {
  expect(planBuildkitPrune("b", { maxAgeMs: 45_000 }, "spaces")).toEqual([
    [...prune, "--filter", "until=45s"],
  ]);
  expect(planBuildkitPrune("b", { maxAgeMs: 0.5 }, "spaces")[0]).toContain("until=0.0005s");
});

test("all limits of space are one command with the newer flags", () => {
  const rule = { maxUsedBytes: 3, reservedBytes: 1, minFreeBytes: 2 };
  expect(planBuildkitPrune("b", rule, "spaces")).toEqual([
    [...prune, "--reserved-space", "1", "--max-used-space", "3", "--min-free-space", "2"],
  ]);
});

test("with the older flag the cache keeps the larger of what it may and what it must", () => {
  expect(planBuildkitPrune("b", { maxUsedBytes: 3, reservedBytes: 5 }, "keep-storage")).toEqual([
    [...prune, "--keep-storage", "5"],
  ]);
  expect(() => planBuildkitPrune("b", { minFreeBytes: 1 }, "keep-storage")).toThrow(
    expect.objectContaining({ code: "ERR_BUILD_BACKEND" }),
  );
});

test("no limit, or only a reserve, prunes nothing", () => {
  expect(planBuildkitPrune("b", {}, "spaces")).toEqual([]);
  expect(planBuildkitPrune("b", { reservedBytes: 5, maxAgeMs: 0 }, "spaces")).toEqual([]);
  expect(planBuildkitPrune("b", { reservedBytes: 5 }, "keep-storage")).toEqual([]);
});
