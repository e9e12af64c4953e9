/** Automatic restarts that are counted against a workspace. */
export const RECOVERY_WINDOW_MS = 10 * 60_000;
export const MOST_RECOVERIES = 5;
const FIRST_DELAY_MS = 5_000;
const LONGEST_DELAY_MS = 60_000;

export type RecoveryPlan =
  | { readonly kind: "restart" }
  | { readonly kind: "wait"; readonly ms: number }
  | { readonly kind: "giveUp" };

/**
 * What to do about a lost workspace: the first time it is restarted at once, then after 5, 10, 20 and
 * 40 seconds, then not any more.
 */
export function planRecovery(recent: {
  /** Automatic restarts within `RECOVERY_WINDOW_MS`. */
  readonly restarts: number;
  /** Since the last of them ended; undefined when there was none. */
  readonly sinceLastMs: number | undefined;
}): RecoveryPlan {
  const { restarts, sinceLastMs } = recent;
  if (restarts >= MOST_RECOVERIES) return { kind: "giveUp" };
  if (restarts === 0 || sinceLastMs === undefined) return { kind: "restart" };
  const delayMs = Math.min(FIRST_DELAY_MS * 2 ** (restarts - 1), LONGEST_DELAY_MS);
  const ms = delayMs - sinceLastMs;
  return ms <= 0 ? { kind: "restart" } : { kind: "wait", ms };
}
