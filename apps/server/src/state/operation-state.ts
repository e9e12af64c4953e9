/** What can be asked of a workspace. */
export const OPERATION_KINDS = [
  "provision",
  "restart",
  "pause",
  "resume",
  "hibernate",
  "remove",
] as const;
export type OperationKind = (typeof OPERATION_KINDS)[number];

/**
 * - `queued`: will be taken by a worker when it is its turn and `notBefore` has passed
 * - `running`: a worker holds it by a lease
 * - `waiting`: follows the open operation of the same workspace as soon as that one has ended
 * - `succeeded`, `failed`, `cancelled`: ended, for good
 *
 * The database lets a workspace have one operation that is queued or running, and one that waits.
 */
export const OPERATION_STATES = [
  "waiting",
  "queued",
  "running",
  "succeeded",
  "failed",
  "cancelled",
] as const;
export type OperationState = (typeof OPERATION_STATES)[number];

/** States in which something will still happen. */
export const UNFINISHED_STATES = [
  "waiting",
  "queued",
  "running",
] as const satisfies OperationState[];
