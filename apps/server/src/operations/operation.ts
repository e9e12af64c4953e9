import type { EventSink, JsonObject } from "@molecule-ai/core";
import type { InferSelectModel } from "drizzle-orm";
import type { OperationKind } from "../state/operation-state.js";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import type { operations } from "../store/schema.js";

export type OperationRow = InferSelectModel<typeof operations>;

export interface OperationRequest {
  readonly workspaceId: string;
  readonly runtime: string;
  readonly kind: OperationKind;
  /** The engine the workspace lives on; undefined: whichever takes it first. */
  readonly hostId: string | undefined;
  /** Never a secret. */
  readonly params?: JsonObject | undefined;
  /** `admin`, `workspace:<id>` or `system:<what>`. */
  readonly requestedBy: string;
  readonly requestId?: string | undefined;
}

/** The first operation of a workspace. */
export interface FirstOperation {
  readonly operation: Pick<OperationRow, "id" | "workspaceId" | "state">;
  readonly events: readonly NewEvent[];
}

/** How a request was taken. */
export interface RequestedOperation {
  readonly operation: OperationRow;
  /**
   * - `created`: queued
   * - `joined`: an operation of the same kind had not begun; it does this too, with these params over its own
   * - `follows`: one of the same kind is under way; this runs after it
   * - `supersedes`: one of another kind was under way or queued and is cancelled; this comes after it
   */
  readonly outcome: "created" | "joined" | "follows" | "supersedes";
  /** What happened to operations by this; the caller records it with its own events, last of all. */
  readonly events: readonly NewEvent[];
}

export interface QueuePosition {
  /** 1 is next; undefined when it is not queued. */
  readonly position: number | undefined;
  /** How many are in the same line: what starts an agent does not hold up what stops one. */
  readonly queued: number;
}

/** The durable queue of operations; every process on the store has one. */
export interface OperationQueue {
  /**
   * Asks for an operation, in the caller's transaction, so that the status of the workspace and the
   * operation that explains it are written together; it also becomes the `lastOperationId` of the
   * workspace. A removal is superseded by nothing: what is asked after it joins it.
   *
   * Locks the row of the workspace and then its operations: a transaction for several workspaces
   * takes parents before children, and none touches a workspace after `recordEvents`.
   *
   * @throws ServerError `ERR_NOT_FOUND` when there is no such workspace, or it is removed and
   *   something else than its removal is asked for.
   */
  request(tx: Database, request: OperationRequest): Promise<RequestedOperation>;
  /**
   * Asks for the first operations of workspaces that the caller's transaction makes: nobody else knows
   * of them, so nothing is locked or looked for, and all are written at once. The caller writes each
   * as the `lastOperationId` of its workspace.
   *
   * @returns one for each request, in their order.
   */
  requestFirst(tx: Database, requests: readonly OperationRequest[]): Promise<FirstOperation[]>;
  /**
   * Cancels an unfinished operation: at once when it is queued or waiting, at its next step when it
   * is running. A finished one, a removal and a pause are left alone; the row tells. Undefined when
   * there is none.
   */
  cancel(
    id: string,
    by: { readonly actor: string; readonly requestId?: string | undefined },
  ): Promise<OperationRow | undefined>;
  get(id: string): Promise<OperationRow | undefined>;
  position(id: string): Promise<QueuePosition>;
  /** Resolves with the row once it is finished, or as it is when the signal aborts. */
  settled(id: string, options: { readonly signal: AbortSignal }): Promise<OperationRow | undefined>;
}

/** What a runner is given beside the operation. */
export interface RunContext {
  /**
   * Aborts on cancel, on a lost lease, on a passed deadline and on shutdown; its reason is a
   * ProvisionerError. It is aborted from the start when an operation was cancelled and its process
   * died before it had cleaned up: the run then takes back what may be left, and rejects.
   */
  readonly signal: AbortSignal;
  /** Progress: stages are stored and move the deadline, build output goes to the build's log. */
  readonly onEvent: EventSink;
}

/** What an operation came to, when it came to an end. */
export interface RunOutcome {
  readonly timings?: readonly { readonly stage: string; readonly durationMs: number }[] | undefined;
}

/**
 * Does the work of operations. It is called again from the start after a crash, so each run must
 * reach the same end from whatever an interrupted one left behind.
 */
export interface OperationRunner {
  run(operation: OperationRow, context: RunContext): Promise<RunOutcome>;
  /**
   * Writes what success, failure or cancellation means for the workspace, in the transaction that
   * ends the operation; takes effect exactly once for each operation that ends, but not for one that
   * was superseded while it did not run. `next` is the operation that now follows: it explains the
   * status of the workspace, so an ending with a `next` leaves that alone.
   *
   * It may record events, as the last thing it does. When the transaction fails it is called again in
   * another one: what it needs must still be there, and nothing but the database may be changed.
   */
  finish(
    tx: Database,
    operation: OperationRow,
    ending: OperationEnding,
    next: OperationRow | undefined,
  ): Promise<void>;
}

export type OperationEnding =
  | { readonly state: "succeeded" }
  | { readonly state: "failed" | "cancelled"; readonly error: OperationFailure };

/** What is told to people; nothing in it is secret. */
export interface OperationFailure {
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
  readonly details: JsonObject;
  readonly logTail: string | undefined;
}
