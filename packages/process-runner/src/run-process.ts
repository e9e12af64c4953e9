import type { Readable } from "node:stream";

const DEFAULT_STDERR_TAIL_BYTES = 8 * 1024;
const KILL_GRACE_MS = 2000;

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
 * Runs a program in a process group of its own, without a shell. Only exit code 0 is `exited`,
 * whatever stderr holds. On abort the whole group gets SIGTERM, after two seconds SIGKILL; the
 * promise rejects with `signal.reason` once it is gone.
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
  const killGroup = (signal: NodeJS.Signals): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // The group is gone already.
    }
  };
  let grace: NodeJS.Timeout | undefined;
  const stop = (): void => {
    if (grace !== undefined) return;
    killGroup("SIGTERM");
    grace = setTimeout(() => {
      killGroup("SIGKILL");
    }, KILL_GRACE_MS);
  };
  run.signal.addEventListener("abort", stop, { once: true });

  try {
    const stdout = collect(child.stdout, run, () => {
      overflow = true;
      stop();
    });
    const stderr = tail(child.stderr, run);
    const result = await child;
    if (result.code === "ENOENT") return { kind: "missing" };
    const [out, err] = await Promise.all([stdout, stderr]);
    run.signal.throwIfAborted();
    const failed = { kind: "failed", stdout: out, stderr: err } as const;
    if (overflow) return { ...failed, status: "too much output", exitCode: undefined };
    // A program that does not read all of its input may still succeed.
    if (result.exitCode === 0) return { kind: "exited", stdout: out, stderr: err };
    const status =
      result.exitCode === undefined
        ? (result.signal ?? result.code ?? "unknown")
        : `exit code ${result.exitCode}`;
    return { ...failed, status, exitCode: result.exitCode };
  } finally {
    run.signal.removeEventListener("abort", stop);
    clearTimeout(grace);
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
  onOverflow: () => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  await drain(stream, (chunk) => {
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

async function tail(stream: Readable, run: ProcessRun): Promise<string> {
  const limit = run.stderrTailBytes ?? DEFAULT_STDERR_TAIL_BYTES;
  let kept = Buffer.alloc(0);
  await drain(stream, (chunk) => {
    run.onOutput?.();
    run.onStderr?.(chunk);
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > limit) kept = kept.subarray(kept.length - limit);
  });
  return kept.toString("utf8");
}

/** A stream that breaks has ended: how the process ended tells the rest. */
async function drain(stream: Readable, onChunk: (chunk: Buffer) => void): Promise<void> {
  try {
    for await (const chunk of stream) onChunk(chunk as Buffer);
  } catch {
    // See above.
  }
}
