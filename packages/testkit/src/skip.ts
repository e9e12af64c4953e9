import { appendFileSync } from "node:fs";

const printed = new Set<string>();

/**
 * Remembers why tests were skipped: one line in the file named by `MOLECULE_TEST_SKIP_LOG`, else
 * once on stderr. A reason should say what is missing and how to get it.
 */
export function recordSkip(reason: string): void {
  if (printed.has(reason)) return;
  printed.add(reason);
  const log = process.env["MOLECULE_TEST_SKIP_LOG"];
  if (log === undefined || log === "") process.stderr.write(`skipped: ${reason}\n`);
  else appendFileSync(log, `${reason}\n`);
}

/**
 * Skips for want of `what`, or throws when `MOLECULE_TEST_REQUIRE` (a comma-separated list) names it:
 * on a machine that is meant to have it, a skip would hide a failure.
 */
export function skipOrThrow(what: string, reason: string): string {
  const required = (process.env["MOLECULE_TEST_REQUIRE"] ?? "").split(",");
  if (required.some((name) => name.trim() === what)) {
    throw new Error(`MOLECULE_TEST_REQUIRE asks for ${what}: ${reason}`);
  }
  recordSkip(reason);
  return reason;
}
