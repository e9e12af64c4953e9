import { join } from "node:path";
import { CommandError, run } from "./process.mjs";

/** Longest time the program gets to take back what it had begun. */
const UNDO_LIMIT_MS = 90_000;

/** A command of the program that failed; its message is made for people. */
export class CliFailure extends Error {
  /** @param {Record<string, any>} event The `error` line. */
  constructor(event) {
    const lines = [`${event["code"]}: ${event["message"]}`];
    if (event["hint"] !== undefined) lines.push(`  ${event["hint"]}`);
    for (const line of event["lastLines"] ?? []) lines.push(`    ${line}`);
    super(lines.join("\n"));
    this.name = "CliFailure";
    this.code = event["code"];
  }
}

/**
 * Runs the built program with `--json`. An abort is its Ctrl-C: it takes back what it began, and
 * only then does this reject.
 * @param {string} root
 * @param {string[]} args
 * @param {{ signal: AbortSignal, log: string, env?: Record<string, string | undefined>, onEvent?: (event: Record<string, any>) => void }} options
 * @returns {Promise<Record<string, any>>} The `result` line.
 */
export async function runCli(root, args, { signal, log, env = {}, onEvent }) {
  /** @type {Record<string, any> | undefined} */
  let last;
  const { code, tail } = await run(process.execPath, [cliPath(root), ...args, "--json"], {
    cwd: root,
    env,
    signal,
    log,
    stopSignal: "SIGINT",
    graceMs: UNDO_LIMIT_MS,
    anyExit: true,
    onLine(line) {
      if (line.trim() === "") return;
      last = JSON.parse(line);
      onEvent?.(/** @type {Record<string, any>} */ (last));
    },
  });
  if (last?.["type"] === "error") throw new CliFailure(last);
  if (code !== 0 || last?.["type"] !== "result") {
    throw new CommandError(args.join(" "), `ended with exit code ${code} and no result`, tail);
  }
  return last;
}

/** @param {string} root */
export function cliPath(root) {
  return join(root, "apps/cli/dist/bin.js");
}
