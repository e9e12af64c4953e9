const FIRST_DELAY_MS = 60_000;
const LONGEST_DELAY_MS = 60 * 60_000;

/** True when what failed `failures` times, and last that long ago, is due again. It is never given up. */
export function isRetryDue(failures: number, sinceLastMs: number): boolean {
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** Math.max(0, failures - 1), LONGEST_DELAY_MS);
  return sinceLastMs >= delayMs;
}
