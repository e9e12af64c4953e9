import { setMaxListeners } from "node:events";

/**
 * A signal that follows the caller's and may be listened to by many calls at once: Node warns of the
 * eleventh listener on the caller's, which is often shared by many operations.
 */
export function ownSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal === undefined) return undefined;
  const own = AbortSignal.any([signal]);
  setMaxListeners(0, own);
  return own;
}
