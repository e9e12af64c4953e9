import { lock } from "proper-lockfile";

/** A holder that shows no sign of life for this long died. */
const STALE_MS = 10_000;

/** Between processes of this machine that clean the same directory; undefined when one is at it. */
export async function tryLockCache(directory: string): Promise<AsyncDisposable | undefined> {
  try {
    const release = await lock(directory, {
      lockfilePath: `${directory}.lock`,
      stale: STALE_MS,
      // Only after a suspension longer than that; both work by what is on disk at each step.
      onCompromised: () => {},
    });
    return {
      async [Symbol.asyncDispose]() {
        await release().catch(() => {});
      },
    };
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ELOCKED") return undefined;
    throw error;
  }
}
