import { describeFailure } from "@molecule-ai/core";
import type { Check } from "./check.js";

/** No check is worth a longer wait. */
const PATIENCE_MS = 15_000;

/**
 * Runs one check; whatever it throws becomes a failed check. Only the caller's own abort is thrown
 * on: silence of the other side is a finding.
 */
export async function runCheck(
  name: string,
  signal: AbortSignal,
  check: (signal: AbortSignal) => Promise<Check>,
): Promise<Check> {
  const timeout = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await check(AbortSignal.any([signal, timeout]));
  } catch (error) {
    signal.throwIfAborted();
    if (timeout.aborted) {
      return {
        name,
        status: "failed",
        message: `no answer within ${PATIENCE_MS / 1000} s`,
        remedy: "Check the network between this machine and the other side.",
        code: "ERR_DEADLINE",
      };
    }
    const { code, message, hint } = describeFailure(error);
    return { name, status: "failed", message, remedy: hint, code };
  }
}
