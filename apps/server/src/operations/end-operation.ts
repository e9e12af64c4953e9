import type { JsonObject } from "@molecule-ai/core";
import { and, eq, inArray, sql, type SQL } from "drizzle-orm";
import type { PgUpdateSetSource } from "drizzle-orm/pg-core";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import { notify } from "../store/notifications.js";
import { operations, workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type {
  OperationEnding,
  OperationFailure,
  OperationRow,
  OperationRunner,
  RunOutcome,
} from "./operation.js";
import { startsAgent } from "./plan-request.js";

/** Whoever changes operations of a workspace holds its row; a purged workspace has none. */
export async function lockWorkspace(
  tx: Database,
  workspaceId: string,
): Promise<Pick<WorkspaceRow, "status" | "hostId"> | undefined> {
  const [row] = await tx
    .select({ status: workspaces.status, hostId: workspaces.hostId })
    .from(workspaces)
    .where(eq(workspaces.id, workspaceId))
    .for("no key update");
  return row;
}

export interface OperationEnd {
  readonly workspaceId: string;
  /** Which row, and what must still be true of it. */
  readonly where: SQL | undefined;
  readonly ending: OperationEnding;
  readonly actor: string;
  readonly requestId?: string | undefined;
  readonly timings?: RunOutcome["timings"];
  /** It was queued or running, so that the one that waits takes its place. Default true. */
  readonly isOpen?: boolean | undefined;
  /** Other columns that are written with it. */
  readonly patch?: PgUpdateSetSource<typeof operations> | undefined;
}

/**
 * Ends an operation in the caller's transaction, lets the one that waited for it take its place, and
 * tells the runner.
 *
 * @returns the events to record, or undefined when `where` did not hold: nothing was written then.
 */
export async function endOperation(
  tx: Database,
  runner: Pick<OperationRunner, "finish">,
  end: OperationEnd,
): Promise<readonly NewEvent[] | undefined> {
  await lockWorkspace(tx, end.workspaceId);
  const { ending } = end;
  const [row] = await tx
    .update(operations)
    .set({
      ...end.patch,
      ...failureColumns(ending.state === "succeeded" ? undefined : ending.error),
      state: ending.state,
      finishedAt: sql`clock_timestamp()`,
      leaseExpiresAt: null,
      ...(end.timings === undefined ? {} : { timings: end.timings }),
    })
    .where(end.where)
    .returning();
  if (row === undefined) return undefined;
  const next = end.isOpen === false ? await fallBack(tx, row) : await promote(tx, row);
  await notify(tx, "molecule_operations", row.id);
  if (next !== undefined) await notify(tx, "molecule_operations", next.id);
  await runner.finish(tx, row, ending, next);
  return [endingEvent(row, ending, end)];
}

/** The columns that say why an operation did not succeed. */
export function failureColumns(
  failure: OperationFailure | undefined,
): Partial<typeof operations.$inferInsert> {
  return {
    errorCode: failure?.code ?? null,
    errorMessage: failure?.message ?? null,
    errorHint: failure?.hint ?? null,
    errorDetails: failure?.details ?? null,
    logTail: failure?.logTail ?? null,
  };
}

/**
 * A follow-up ended before its turn: a start under way goes on to explain the status. Undefined when
 * nothing is under way that does.
 */
async function fallBack(tx: Database, ended: OperationRow): Promise<OperationRow | undefined> {
  const [open] = await tx
    .select()
    .from(operations)
    .where(
      and(
        eq(operations.workspaceId, ended.workspaceId),
        inArray(operations.state, ["queued", "running"]),
      ),
    );
  if (open === undefined || !startsAgent(open.kind) || !startsAgent(ended.kind)) return undefined;
  await tx
    .update(workspaces)
    .set({ lastOperationId: open.id })
    .where(eq(workspaces.id, ended.workspaceId));
  return open;
}

/**
 * The follow-up becomes the open one. After a failed start, a start does what both were told; after
 * one that succeeded, an agent runs.
 */
async function promote(tx: Database, ended: OperationRow): Promise<OperationRow | undefined> {
  const [waiting] = await tx
    .select()
    .from(operations)
    .where(and(eq(operations.workspaceId, ended.workspaceId), eq(operations.state, "waiting")))
    .for("update");
  if (waiting === undefined) return undefined;
  const params: JsonObject = {
    ...(startsAgent(ended.kind) && startsAgent(waiting.kind) ? handedOn(ended) : {}),
    ...waiting.params,
  };
  const [next] = await tx
    .update(operations)
    .set({ state: "queued", params, hostId: waiting.hostId ?? ended.hostId })
    .where(eq(operations.id, waiting.id))
    .returning();
  return next;
}

function handedOn(ended: OperationRow): JsonObject {
  if (ended.state === "failed") return ended.params;
  return ended.state === "succeeded" ? { ranBefore: true } : {};
}

/** What an ending is to those who listen. */
export function endingEvent(
  row: OperationRow,
  ending: OperationEnding,
  by: { readonly actor: string; readonly requestId?: string | undefined },
): NewEvent {
  const common = {
    workspaceId: row.workspaceId,
    operationId: row.id,
    actor: by.actor,
    requestId: by.requestId,
  };
  if (ending.state === "succeeded") {
    return { ...common, type: "OPERATION_SUCCEEDED", payload: { kind: row.kind } };
  }
  const { code, message, hint } = ending.error;
  return {
    ...common,
    type: ending.state === "failed" ? "OPERATION_FAILED" : "OPERATION_CANCELLED",
    payload: {
      kind: row.kind,
      stage: row.stage,
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
    },
  };
}
