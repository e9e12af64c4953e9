import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Clock } from "@molecule-ai/core";
import { cacheFailure } from "../errors.js";

export interface HostLockOptions {
  /** Directory of the lock files. */
  readonly directory: string;
  /** A lock whose holder gave no sign of life for this long is taken over; at least 2000. */
  readonly staleMs: number;
  readonly clock: Clock;
}

export interface HostLocks {
  /**
   * Waits until no process of this machine holds `name`, then holds it until disposed. A holder that
   * died loses it after `staleMs`. `onBusy` is called once, when there is somebody to wait for.
   */
  acquire(
    name: string,
    options: { readonly signal: AbortSignal; readonly onBusy?: (() => void) | undefined },
  ): Promise<AsyncDisposable>;
  /** As `acquire`, but undefined at once when somebody holds it. */
  tryAcquire(name: string): Promise<AsyncDisposable | undefined>;
  /** True while a living holder has it. */
  isHeld(name: string): Promise<boolean>;
}

const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 500;

/** Locks between processes as directories whose modification time is the holder's pulse. */
export function createHostLocks(options: HostLockOptions): HostLocks {
  const pathOf = (name: string): string => join(options.directory, `${name}.lock`);

  const tryAcquire: HostLocks["tryAcquire"] = async (name) => {
    const { lock } = (await import("proper-lockfile")).default;
    const path = pathOf(name);
    let release: () => Promise<void>;
    try {
      await mkdir(options.directory, { recursive: true, mode: 0o700 });
      release = await lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: options.staleMs,
        // Only after a suspension longer than `staleMs`. Both holders may go on: checkouts are made
        // in directories of their own, and what they publish and tag is the same.
        onCompromised: () => {},
      });
    } catch (error) {
      if (isBusy(error)) return undefined;
      throw cacheFailure(options.directory, "cannot hold a lock", error);
    }
    return {
      async [Symbol.asyncDispose]() {
        // Rejects when the lock was taken over meanwhile: then it is not ours to remove.
        await release().catch(() => {});
      },
    };
  };

  return {
    tryAcquire,
    async acquire(name, { signal, onBusy }) {
      let announced = false;
      for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 1.5, LONGEST_POLL_MS)) {
        signal.throwIfAborted();
        const held = await tryAcquire(name);
        if (held !== undefined) return held;
        if (!announced) onBusy?.();
        announced = true;
        await options.clock.sleep(pollMs, signal);
      }
    },
    async isHeld(name) {
      const { check } = (await import("proper-lockfile")).default;
      const path = pathOf(name);
      return check(path, { lockfilePath: path, realpath: false, stale: options.staleMs });
    },
  };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ELOCKED";
}
