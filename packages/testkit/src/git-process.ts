import { devNull } from "node:os";
import type { Readable, Writable } from "node:stream";

import { execa } from "execa";

/** No setting of the user, of the system or of a calling hook reaches the repositories of a test. */
const ENVIRONMENT: Readonly<Record<string, string | undefined>> = {
  GIT_CONFIG_GLOBAL: devNull,
  GIT_CONFIG_NOSYSTEM: "1",
  GIT_TERMINAL_PROMPT: "0",
  LC_ALL: "C",
  GIT_DIR: undefined,
  GIT_WORK_TREE: undefined,
  GIT_INDEX_FILE: undefined,
  GIT_OBJECT_DIRECTORY: undefined,
  GIT_ALTERNATE_OBJECT_DIRECTORIES: undefined,
  GIT_COMMON_DIR: undefined,
  GIT_NAMESPACE: undefined,
  GIT_PROTOCOL: undefined,
};

/** Runs git to its end and returns its output without the last newline; rejects unless it exits with 0. */
export async function runGit(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>> | undefined;
    readonly input?: Uint8Array | undefined;
  } = {},
): Promise<string> {
  const result = await execa("git", args, {
    env: { ...ENVIRONMENT, ...options.env },
    ...(options.input === undefined ? { stdin: "ignore" } : { input: options.input }),
  });
  return result.stdout;
}

/** A running git with its streams in the caller's hand. */
export interface GitProcess {
  readonly stdin: Writable;
  readonly stdout: Readable;
  /** Settles when the process is gone; never rejects. `stderr` is bounded. */
  readonly ended: Promise<{ readonly exitCode: number | undefined; readonly stderr: string }>;
  /** Ends git and everything it started. Idempotent. */
  kill(): void;
}

export function spawnGit(
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): GitProcess {
  const subprocess = execa("git", args, {
    env: { ...ENVIRONMENT, ...env },
    stdin: "pipe",
    // Its own process group: git http-backend starts upload-pack, which starts pack-objects.
    detached: true,
    cleanup: false,
    reject: false,
    buffer: { stdout: false, stderr: true },
    maxBuffer: { stderr: 64 * 1024 },
  });
  // The peer of a pipe may go first; `ended` tells what happened.
  subprocess.stdin.on("error", () => {});
  let running = true;
  const ended = subprocess.then((result) => {
    running = false;
    return { exitCode: result.exitCode, stderr: result.stderr };
  });
  return {
    stdin: subprocess.stdin,
    stdout: subprocess.stdout,
    ended,
    kill() {
      if (!running || subprocess.pid === undefined) return;
      // Output that nobody will read would keep the process from counting as ended.
      subprocess.stdin.destroy();
      subprocess.stdout.destroy();
      try {
        process.kill(-subprocess.pid, "SIGKILL");
      } catch {
        // Gone in between.
      }
    },
  };
}
