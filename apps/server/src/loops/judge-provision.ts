/** A workspace without an operation may be in the middle of getting one. */
export const LOST_GRACE_MS = 60_000;

/** What is known of a workspace that is provisioning. */
export interface ProvisionFacts {
  /** Since a worker began; undefined while it waits for its turn. */
  readonly ageMs: number | undefined;
  /** Since the last thing that happened to the workspace or its operations. */
  readonly quietMs: number;
  /** The one that is to end it; undefined when there is none. */
  readonly operation:
    | {
        readonly isQueued: boolean;
        /** Since its last sign of progress. */
        readonly idleMs: number;
        /** Since the last progress of any operation of its queue. */
        readonly queueIdleMs: number;
      }
    | undefined;
}

/**
 * - `cancel`: its operation makes no progress; end that first
 * - `fail`: nobody works on it
 */
export type ProvisionVerdict = "leave" | "cancel" | "fail";

/** Whether a provision will still end by itself. Waiting in a queue that moves is no fault. */
export function judgeProvision(facts: ProvisionFacts, timeoutMs: number): ProvisionVerdict {
  const { ageMs, quietMs, operation } = facts;
  if (operation === undefined) return quietMs >= LOST_GRACE_MS ? "fail" : "leave";
  if (operation.idleMs < timeoutMs) return "leave";
  if (operation.isQueued) return operation.queueIdleMs >= timeoutMs ? "cancel" : "leave";
  return ageMs !== undefined && ageMs < timeoutMs ? "leave" : "cancel";
}
