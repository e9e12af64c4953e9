import { existsSync } from "node:fs";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";

const DEFAULT_STDERR_TAIL_BYTES = 8 * 1024;
const KILL_GRACE_MS = 2000;
/** Longest wait for those that were killed to vanish: whoever adopted them may never reap them. */
const REAP_MS = 100;
const POLL_MS = 5;

export interface ProcessRun {
  /** Path or name of the program; a name is looked up in the PATH of `env`. */
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd?: string | undefined;
  /** The whole environment of the process; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Written to stdin, which is then closed; without it stdin is empty. The way for secrets. */
  readonly stdin?: string | Uint8Array | Readable | undefined;
  /** Largest stdout that is kept; more of it ends the process. */
  readonly stdoutLimitBytes: number;
  /** How much of the end of stderr is kept; default 8 KiB. */
  readonly stderrTailBytes?: number | undefined;
  /** Receives stdout as it comes; then it is not kept, and `stdoutLimitBytes` does not count. */
  readonly onStdout?: ((chunk: Buffer) => void) | undefined;
  /** Receives stderr as it comes, besides the tail that is kept. */
  readonly onStderr?: ((chunk: Buffer) => void) | undefined;
  /** Called for everything the process writes. */
  readonly onOutput?: (() => void) | undefined;
}

export type ProcessOutcome =
  /** There is no such program. */
  | { readonly kind: "missing" }
  | {
      readonly kind: "exited";
      readonly stdout: Buffer;
      /** End of stderr, not redacted. */
      readonly stderr: string;
    }
  | {
      readonly kind: "failed";
      /** Exit code, signal name or reason, for people. */
      readonly status: string;
      /** Undefined when a signal or a limit ended it. */
      readonly exitCode: number | undefined;
      readonly stdout: Buffer;
      /** End of stderr, not redacted. */
      readonly stderr: string;
    };

/**
 * Runs a program in a process group of its own, without a shell, until it and all who hold its output
 * have ended. Only exit code 0 is `exited`, whatever stderr holds. On abort the whole group gets
 * SIGTERM, after two seconds SIGKILL; the promise rejects with `signal.reason` once it is gone. An
 * error of a callback or of the stream given as stdin ends the group in the same way and is thrown.
 */
export async function runProcess(run: ProcessRun): Promise<ProcessOutcome> {
  run.signal.throwIfAborted();
  const { execa } = await import("execa");
  const child = execa(run.file, run.args, {
    ...(run.cwd === undefined ? {} : { cwd: run.cwd }),
    env: run.env,
    extendEnv: false,
    detached: true,
    ...stdinOf(run.stdin),
    buffer: false,
    reject: false,
  });

  let overflow = false;
  const failures: unknown[] = [];
  let grace: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (grace !== undefined) return;
    signalGroup(child.pid, "SIGTERM");
    grace = setTimeout(() => signalGroup(child.pid, "SIGKILL"), KILL_GRACE_MS);
  };
  const fail = (error: unknown): void => {
    failures.push(error);
    stop();
  };
  run.signal.addEventListener("abort", stop, { once: true });
  if (run.stdin instanceof Readable) run.stdin.once("error", fail);

  try {
    const stdout = collect(child.stdout, run, fail, () => {
      overflow = true;
      stop();
    });
    const stderr = tail(child.stderr, run, fail);
    const result = await child;
    const [out, err] = await Promise.all([stdout, stderr]);
    // Those who hold no output may outlive the program.
    if (grace !== undefined) await killGroup(child.pid);
    run.signal.throwIfAborted();
    if (failures.length > 0) throw failures[0];
    const failed = { kind: "failed", stdout: out, stderr: err } as const;
    if (result.code === "ENOENT") {
      if (run.cwd === undefined || existsSync(run.cwd)) return { kind: "missing" };
      return { ...failed, status: "its directory is missing", exitCode: undefined };
    }
    if (overflow) return { ...failed, status: "too much output", exitCode: undefined };
    // A program that does not read all of its input may still succeed.
    if (result.exitCode === 0) return { kind: "exited", stdout: out, stderr: err };
    const status =
      result.exitCode === undefined
        ? (result.signal ?? result.code ?? "unknown")
        : `exit code ${result.exitCode}`;
    return { ...failed, status, exitCode: result.exitCode };
  } finally {
    clearTimeout(grace);
    run.signal.removeEventListener("abort", stop);
    if (run.stdin instanceof Readable) run.stdin.removeListener("error", fail);
  }
}

async function killGroup(leader: number | undefined): Promise<void> {
  signalGroup(leader, "SIGKILL");
  const deadline = performance.now() + REAP_MS;
  while (signalGroup(leader, 0) && performance.now() < deadline) await sleep(POLL_MS);
}

/** False when nobody is left in the group. */
function signalGroup(leader: number | undefined, signal: NodeJS.Signals | 0): boolean {
  if (leader === undefined) return false;
  try {
    return process.kill(-leader, signal);
  } catch {
    return false;
  }
}

function stdinOf(
  stdin: ProcessRun["stdin"],
): { input: string | Uint8Array | Readable } | { stdin: "ignore" } {
  return stdin === undefined ? { stdin: "ignore" } : { input: stdin };
}

async function collect(
  stream: Readable,
  run: ProcessRun,
  onFailure: (error: unknown) => void,
  onOverflow: () => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  await drain(stream, onFailure, (chunk) => {
    run.onOutput?.();
    if (run.onStdout !== undefined) {
      run.onStdout(chunk);
      return;
    }
    length += chunk.length;
    if (length > run.stdoutLimitBytes) onOverflow();
    else chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

async function tail(
  stream: Readable,
  run: ProcessRun,
  onFailure: (error: unknown) => void,
): Promise<string> {
  const limit = run.stderrTailBytes ?? DEFAULT_STDERR_TAIL_BYTES;
  let kept = Buffer.alloc(0);
  await drain(stream, onFailure, (chunk) => {
    run.onOutput?.();
    run.onStderr?.(chunk);
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > limit) kept = kept.subarray(kept.length - limit);
  });
  return kept.toString("utf8");
}

/** A stream that breaks has ended: how the process ended tells the rest. */
async function drain(
  stream: Readable,
  onFailure: (error: unknown) => void,
  onChunk: (chunk: Buffer) => void,
): Promise<void> {
  const receive = (chunk: Buffer): void => {
    try {
      onChunk(chunk);
    } catch (error) {
      onFailure(error);
    }
  };
  try {
    for await (const chunk of stream) receive(chunk as Buffer);
  } catch {
    // See above.
  }
}
