import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { once } from "node:events";

const TAIL_LINES = 40;
const GRACE_MS = 8000;

/** A command that did not end with 0; its message carries the last lines it printed. */
export class CommandError extends Error {
  /**
   * @param {string} what
   * @param {string} how
   * @param {string[]} tail
   */
  constructor(what, how, tail) {
    super([`${what} ${how}`, ...tail.map((line) => `    ${line}`)].join("\n"));
    this.name = "CommandError";
  }
}

/**
 * What a thrown value says.
 * @param {unknown} error
 */
export function messageOf(error) {
  return error instanceof Error ? error.message : String(error);
}

/**
 * @typedef {object} RunOptions
 * @property {AbortSignal} [signal] Abort ends the whole process group, then rejects with the reason.
 * @property {string} [cwd]
 * @property {Record<string, string | undefined>} [env] Added to our own.
 * @property {string} [log] File that gets everything printed, appended.
 * @property {(line: string) => void} [onLine] Every line of stdout.
 * @property {"inherit" | "capture"} [output] Default capture.
 * @property {boolean} [untilDone] Abort is heeded only once the command has ended: for what must
 *   not be cut in the middle, such as unpacking system packages.
 * @property {NodeJS.Signals} [stopSignal] Default SIGTERM.
 * @property {boolean} [anyExit] Resolve whatever the exit code.
 * @property {number} [graceMs] From the stop signal to SIGKILL; default 8000.
 */

/**
 * Runs a command in a process group of its own, so that a terminal's Ctrl-C reaches it only through
 * us, and none of its children outlives it.
 * @param {string} command
 * @param {string[]} args
 * @param {RunOptions} [options]
 * @returns {Promise<{ code: number, stdout: string, tail: string[] }>} `tail` has the last lines of both streams.
 */
export async function run(command, args, options = {}) {
  const { signal, output = "capture" } = options;
  signal?.throwIfAborted();
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: output === "inherit" ? ["ignore", "inherit", "inherit"] : ["ignore", "pipe", "pipe"],
    detached: true,
  });
  const log =
    options.log === undefined ? undefined : createWriteStream(options.log, { flags: "a" });
  /** @type {string[]} */
  const tail = [];
  let stdout = "";
  let rest = "";
  /** @param {string} line */
  const remember = (line) => {
    tail.push(line.trimEnd());
    if (tail.length > TAIL_LINES) tail.shift();
  };
  child.stdout?.setEncoding("utf8").on("data", (chunk) => {
    log?.write(chunk);
    stdout += chunk;
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      remember(line);
      options.onLine?.(line);
    }
  });
  child.stderr?.setEncoding("utf8").on("data", (chunk) => {
    log?.write(chunk);
    for (const line of chunk.split("\n")) if (line.trim() !== "") remember(line);
  });

  /** @type {NodeJS.Timeout | undefined} */
  let force;
  const stop = () => {
    killGroup(child.pid, options.stopSignal ?? "SIGTERM");
    force = setTimeout(() => killGroup(child.pid, "SIGKILL"), options.graceMs ?? GRACE_MS);
  };
  if (options.untilDone !== true) signal?.addEventListener("abort", stop, { once: true });
  try {
    const [code, killedBy] = await once(child, "close");
    if (rest !== "") options.onLine?.(rest);
    signal?.throwIfAborted();
    if (code !== 0 && options.anyExit !== true) {
      const how = killedBy === null ? `ended with exit code ${code}` : `was ended by ${killedBy}`;
      throw new CommandError([command, ...args].join(" "), how, tail);
    }
    return { code: code ?? 1, stdout, tail };
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(force);
    signal?.removeEventListener("abort", stop);
    log?.end();
  }
}

/**
 * @param {number | undefined} pid
 * @param {NodeJS.Signals} signal
 */
function killGroup(pid, signal) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch (error) {
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== "ESRCH") throw error;
  }
}
