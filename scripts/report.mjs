import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

export const VITEST_REPORT = ".vitest-report.json";

/**
 * @typedef {object} Row
 * @property {string} name
 * @property {number} passed
 * @property {number} failed
 * @property {number} skipped
 * @property {number} seconds
 * @property {string[]} failures One line each.
 */

/**
 * The newest summary that `turbo run --summarize` wrote.
 * @param {string} root
 */
export async function readTurboSummary(root) {
  const dir = join(root, ".turbo/runs");
  const files = existsSync(dir)
    ? (await readdir(dir)).filter((name) => name.endsWith(".json"))
    : [];
  const [newest] = files.sort().reverse();
  return newest === undefined ? undefined : JSON.parse(await readFile(join(dir, newest), "utf8"));
}

/**
 * One row per package for its tests and one for every gate that is not a test. A task that should
 * have run and did not, and a package that ended without a report, count as failed.
 * @param {{ tasks: any[] }} summary
 * @param {(task: any) => Promise<any>} readReport The vitest report of a test task, or undefined.
 * @returns {Promise<{ tests: Row[], gates: Row[] }>}
 */
export async function rowsOf(summary, readReport) {
  const tests = [];
  const gates = [];
  for (const task of summary.tasks) {
    // A package without that script is in the graph only for the order of things.
    if (task.command === "<NONEXISTENT>") continue;
    if (task.task === "test") tests.push(testRow(task, await readReport(task)));
    else gates.push(gateRow(task));
  }
  /** @param {Row} a @param {Row} b */
  const byName = (a, b) => a.name.localeCompare(b.name);
  return { tests: tests.sort(byName), gates: gates.sort(byName) };
}

/** @param {any} task */
function exitCodeOf(task) {
  return task.execution?.exitCode;
}

/** @param {any} task */
function secondsOf(task) {
  const { startTime, endTime } = task.execution ?? {};
  return startTime === undefined || endTime === undefined ? 0 : (endTime - startTime) / 1000;
}

/**
 * @param {any} task
 * @returns {Row}
 */
function gateRow(task) {
  const name = String(task.taskId)
    .replace(/^\/\/#/, "")
    .replace("#", " ");
  const code = exitCodeOf(task);
  const ok = code === 0;
  const why = code === undefined ? "did not run: what it needs failed" : `exit code ${code}`;
  return {
    name,
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    skipped: 0,
    seconds: secondsOf(task),
    failures: ok ? [] : [`${name}: ${why}`],
  };
}

/**
 * @param {any} task
 * @param {any} report
 * @returns {Row}
 */
function testRow(task, report) {
  const name = String(task.package);
  const code = exitCodeOf(task);
  if (report === undefined) {
    const why = code === undefined ? "did not run: what it needs failed" : "ended without a report";
    return {
      name,
      passed: 0,
      failed: 1,
      skipped: 0,
      seconds: secondsOf(task),
      failures: [`${name}: ${why}`],
    };
  }
  const failures = [];
  for (const file of report.testResults) {
    const failed = file.assertionResults.filter(
      (/** @type {any} */ test) => test.status === "failed",
    );
    for (const test of failed) failures.push(`${name}: ${test.fullName}`);
    if (file.status === "failed" && failed.length === 0) failures.push(`${name}: ${file.name}`);
  }
  // Green tests and a red exit: an unhandled error, a hang on exit, a crash after the report.
  if (code !== 0 && failures.length === 0) failures.push(`${name}: exit code ${code}`);
  return {
    name,
    passed: report.numPassedTests,
    failed: failures.length,
    skipped: report.numPendingTests + report.numTodoTests,
    seconds: secondsOf(task),
    failures,
  };
}

/**
 * Rows as aligned text.
 * @param {string} title
 * @param {Row[]} rows
 */
export function table(title, rows) {
  const cells = [
    [title, "passed", "failed", "skipped", "seconds"],
    ...rows.map((row) => [
      row.name,
      String(row.passed),
      String(row.failed),
      String(row.skipped),
      row.seconds.toFixed(1),
    ]),
  ];
  const widths = [0, 1, 2, 3, 4].map((column) =>
    Math.max(...cells.map((row) => (row[column] ?? "").length)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, column) =>
          column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  "),
    )
    .join("\n");
}

/** @param {Row[]} rows */
export function totals(rows) {
  return {
    passed: rows.reduce((sum, row) => sum + row.passed, 0),
    failed: rows.reduce((sum, row) => sum + row.failed, 0),
    skipped: rows.reduce((sum, row) => sum + row.skipped, 0),
  };
}
