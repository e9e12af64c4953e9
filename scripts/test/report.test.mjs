import { describe, expect, it } from "vitest";
import { rowsOf, table, totals } from "../report.mjs";

/** @param {number | undefined} exitCode */
const execution = (exitCode) =>
  exitCode === undefined ? undefined : { exitCode, startTime: 1000, endTime: 3500 };

/** @param {string} pkg @param {string} task @param {number | undefined} exitCode */
const task = (pkg, task, exitCode) => ({
  taskId: `${pkg}#${task}`,
  task,
  package: pkg,
  command: "x",
  execution: execution(exitCode),
});

const green = { numPassedTests: 3, numPendingTests: 1, numTodoTests: 1, testResults: [] };

describe("the report of a run", () => {
  it("counts tests per package and every other task as one gate", async () => {
    const summary = { tasks: [task("b", "test", 0), task("//", "lint", 0), task("b", "build", 1)] };
    const { tests, gates } = await rowsOf(summary, async () => green);
    expect(tests).toMatchObject([{ name: "b", passed: 3, failed: 0, skipped: 2, seconds: 2.5 }]);
    expect(gates).toMatchObject([
      { name: "b build", passed: 0, failed: 1, failures: ["b build: exit code 1"] },
      { name: "lint", passed: 1, failed: 0 },
    ]);
    expect(totals([...tests, ...gates])).toEqual({ passed: 4, failed: 1, skipped: 2 });
  });

  it("counts a package that ended without a report as one failure", async () => {
    const { tests } = await rowsOf({ tasks: [task("b", "test", 1)] }, async () => undefined);
    expect(tests).toMatchObject([
      { passed: 0, failed: 1, failures: ["b: ended without a report"] },
    ]);
  });

  it("counts a task that did not run as failed", async () => {
    const tasks = [task("b", "test", undefined), task("//", "packages", undefined)];
    const { tests, gates } = await rowsOf({ tasks }, async () => undefined);
    expect(totals([...tests, ...gates])).toMatchObject({ passed: 0, failed: 2 });
  });

  it("counts a failed test by name, a file that did not load, and a red exit after green tests", async () => {
    const testResults = [
      {
        name: "/x/a.test.ts",
        status: "failed",
        assertionResults: [
          { status: "failed", fullName: "a breaks" },
          { status: "passed", fullName: "a holds" },
        ],
      },
      { name: "/x/b.test.ts", status: "failed", assertionResults: [] },
    ];
    const red = { ...green, testResults };
    const first = await rowsOf({ tasks: [task("p", "test", 1)] }, async () => red);
    expect(first.tests[0]).toMatchObject({
      failed: 2,
      failures: ["p: a breaks", "p: /x/b.test.ts"],
    });
    const second = await rowsOf({ tasks: [task("p", "test", 1)] }, async () => green);
    expect(second.tests[0]).toMatchObject({ passed: 3, failed: 1, failures: ["p: exit code 1"] });
  });

  it("leaves out packages that have no such script", async () => {
    const absent = { ...task("b", "test", undefined), command: "<NONEXISTENT>" };
    expect(await rowsOf({ tasks: [absent] }, async () => undefined)).toEqual({
      tests: [],
      gates: [],
    });
  });

  it("aligns its columns", () => {
    const row = { name: "core", passed: 12, failed: 0, skipped: 0, seconds: 1.25, failures: [] };
    expect(table("tests", [row])).toBe(
      "tests  passed  failed  skipped  seconds\ncore       12       0        0      1.3",
    );
  });
});
