import { systemClock } from "@molecule-ai/core";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { ImageBuildError } from "../errors.js";

const STALE_MS = 15_000;
const FIRST_POLL_MS = 50;
const LONGEST_POLL_MS = 500;

/**
 * Waits until nobody on this machine works on that builder, then keeps everybody else out until it is
 * disposed. A holder that died loses it after 15 seconds. Rejects with `signal.reason` on abort.
 */
export async function lockBuilder(
  stateDirectory: string,
  name: string,
  signal: AbortSignal,
): Promise<AsyncDisposable> {
  const { lock } = (await import("proper-lockfile")).default;
  const directory = join(stateDirectory, "builders");
  const path = join(directory, `${name}.lock`);
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(pollMs * 1.5, LONGEST_POLL_MS)) {
    signal.throwIfAborted();
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const release = await lock(path, {
        lockfilePath: path,
        realpath: false,
        stale: STALE_MS,
        // After a suspension of this process: buildx refuses a second builder of that name by itself.
        onCompromised: () => {},
      });
      return {
        async [Symbol.asyncDispose]() {
          // Rejects when the lock was taken over meanwhile: then it is not ours to remove.
          await release().catch(() => {});
        },
      };
    } catch (cause) {
      if (!isHeld(cause)) {
        throw new ImageBuildError("ERR_BUILDER", `No lock can be held in ${directory}.`, {
          hint: "Make that directory writable, or name another one with MOLECULE_BUILD_STATE_DIR.",
          cause,
        });
      }
    }
    await systemClock.sleep(pollMs, signal);
  }
}

function isHeld(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ELOCKED";
}
