import type { Readable } from "node:stream";

const TAIL_BYTES = 8 * 1024;
const KILL_GRACE_MS = 2000;

export interface ProcessRun {
  readonly file: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The whole environment of the process; nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
  /** Largest stdout that is kept; more of it ends the process. */
  readonly stdoutLimitBytes: number;
  /** Called for everything the process writes. */
  readonly onOutput?: (() => void) | undefined;
}

export type ProcessOutcome =
  | { readonly kind: "missing" }
  | { readonly kind: "exited"; readonly stdout: Buffer }
  | {
      readonly kind: "failed";
      /** Exit code or signal name. */
      readonly status: string;
      /** Last 8 KiB of stderr, not redacted. */
      readonly stderr: string;
    };

/**
 * Runs a program in a process group of its own, without a shell and without stdin. Only exit code 0
 * is `exited`. On abort the whole group gets SIGTERM, after two seconds SIGKILL; the promise rejects
 * with `signal.reason` once it is gone.
 */
export async function runProcess(run: ProcessRun): Promise<ProcessOutcome> {
  run.signal.throwIfAborted();
  const { execa } = await import("execa");
  const child = execa(run.file, run.args, {
    cwd: run.cwd,
    env: run.env,
    extendEnv: false,
    detached: true,
    stdin: "ignore",
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
    const stdout = collect(child.stdout, run, run.stdoutLimitBytes, () => {
      overflow = true;
      stop();
    });
    const stderr = tail(child.stderr, run);
    const result = await child;
    if (result.code === "ENOENT") return { kind: "missing" };
    const [out, err] = await Promise.all([stdout, stderr]);
    run.signal.throwIfAborted();
    if (overflow) {
      return { kind: "failed", status: "too much output", stderr: err };
    }
    if (result.exitCode === 0) return { kind: "exited", stdout: out };
    const status =
      result.exitCode === undefined
        ? (result.signal ?? result.code ?? "unknown")
        : `exit code ${result.exitCode}`;
    return { kind: "failed", status, stderr: err };
  } finally {
    run.signal.removeEventListener("abort", stop);
    clearTimeout(grace);
  }
}

async function collect(
  stream: Readable,
  run: ProcessRun,
  limitBytes: number,
  onOverflow: () => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  await drain(stream, (chunk) => {
    run.onOutput?.();
    length += chunk.length;
    if (length > limitBytes) onOverflow();
    else chunks.push(chunk);
  });
  return Buffer.concat(chunks);
}

async function tail(stream: Readable, run: ProcessRun): Promise<string> {
  let kept = Buffer.alloc(0);
  await drain(stream, (chunk) => {
    run.onOutput?.();
    kept = Buffer.concat([kept, chunk]);
    if (kept.length > TAIL_BYTES) kept = kept.subarray(kept.length - TAIL_BYTES);
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
