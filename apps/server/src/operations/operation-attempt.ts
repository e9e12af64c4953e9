import {
  createDeadline,
  isProvisionerError,
  type Clock,
  type Deadline,
  type ProvisionEvent,
  type Redactor,
  type Stage,
} from "@molecule-ai/core";
import { and, eq, isNull, ne, sql } from "drizzle-orm";
import { ServerError } from "../errors.js";
import type { HostLink } from "../host/host.js";
import type { Logger } from "../logger.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { notify } from "../store/notifications.js";
import type { Store } from "../store/open-store.js";
import type { Database } from "../store/database.js";
import { operations, workspaces } from "../store/schema.js";
import { isConnectionFailure } from "../store/connection-failure.js";
import { fromNow } from "./claim-operation.js";
import { endOperation, failureColumns, lockWorkspace } from "./end-operation.js";
import { cancelledFailure, describeOperationFailure } from "./operation-failure.js";
import { createOperationProgress, type UnwrittenProgress } from "./operation-progress.js";
import type {
  OperationEnding,
  OperationFailure,
  OperationRow,
  OperationRunner,
  RunOutcome,
} from "./operation.js";
import type { StageDeadlines } from "./stage-deadlines.js";

export interface AttemptDependencies {
  readonly store: Store;
  readonly runner: OperationRunner;
  readonly host: HostLink;
  readonly deadlines: StageDeadlines;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly redactor: Redactor;
  readonly leaseMs: number;
  /** Failed attempts that are tried again. */
  readonly maxRetries: number;
  /** The wait before the first retry; later ones are longer. */
  readonly retryDelayMs: number;
  /** How often a process may die of one operation. */
  readonly maxTakeovers: number;
  /** Aborts when this process gives up even what it could not write. */
  readonly abandoned: AbortSignal;
  /** An attempt failed while the engine did not answer. */
  readonly onEngineDown: () => void;
}

/** One go at an operation, from the claim until the store knows how it went. */
export interface OperationAttempt {
  readonly operation: OperationRow;
  /** Settles when nothing of it runs any more; never rejects. */
  readonly done: Promise<void>;
  /** Stops the work; what the row becomes depends on the reason. */
  abort(reason: AbortReason): void;
  /** Extends the lease, and heeds a cancel. Never rejects. */
  renew(): Promise<void>;
  /** Stops the work when the lease may soon be somebody else's. */
  heedLease(): void;
}

export type AbortReason = "cancelled" | "lost" | "shutdown";

/** What the row becomes. */
type Verdict =
  | { readonly kind: "end"; readonly ending: OperationEnding; readonly outcome?: RunOutcome }
  | {
      readonly kind: "again";
      readonly why: "failed" | "engine" | "shutdown" | "lost";
      readonly delayMs: number;
      readonly failure: OperationFailure;
    };

const REASONS: Readonly<Record<AbortReason, () => ServerError>> = {
  cancelled: () =>
    new ServerError("ERR_OPERATION_CANCELLED", "The operation was cancelled.", {
      hint: "Ask for it again when it is still wanted.",
    }),
  lost: () =>
    new ServerError("ERR_OPERATION_LOST", "This process may no longer work on the operation.", {
      hint: "Another process goes on with it; look at the connection to the database.",
      retryable: true,
    }),
  shutdown: () =>
    new ServerError("ERR_OPERATION_LOST", "The server stops; the operation is handed back.", {
      hint: "It goes on when a server runs.",
      retryable: true,
    }),
};

/** Share of a lease after which a worker that could not renew it stops; the rest is for stopping. */
const LEASE_SHARE = 2 / 3;
const ENGINE_PING_MS = 5000;
const MOST_RETRY_DELAY_MS = 60_000;

export function startAttempt(
  dependencies: AttemptDependencies,
  operation: OperationRow,
  claimedAt: number,
): OperationAttempt {
  const { store, runner, clock, redactor, leaseMs } = dependencies;
  const { db } = store;
  const { logger } = dependencies;
  const { id: operationId, workspaceId } = operation;
  const stop = new AbortController();
  let abortedFor: AbortReason | undefined;
  let renewedAt = claimedAt;

  const abort = (reason: AbortReason): void => {
    if (stop.signal.aborted) return;
    abortedFor = reason;
    stop.abort(REASONS[reason]());
  };
  /** Nobody else may have taken it since: every write of this attempt asks for that. */
  const isOurs = and(
    eq(operations.id, operation.id),
    eq(operations.state, "running"),
    eq(operations.attempt, operation.attempt),
    operation.claimedBy === null ? undefined : eq(operations.claimedBy, operation.claimedBy),
  );
  const progress = createOperationProgress({
    operation,
    redactor,
    write: async ({ columns, events }) => {
      const isWritten = await db.transaction(async (tx) => {
        const written = await tx
          .update(operations)
          .set(columns)
          .where(isOurs)
          .returning({ id: operations.id });
        if (written.length > 0) await recordEvents(tx, events);
        return written.length > 0;
      });
      if (!isWritten) abort("lost");
    },
  });

  const attempt = async (): Promise<Verdict> => {
    if (operation.takeovers > dependencies.maxTakeovers) {
      return { kind: "end", ending: { state: "failed", error: poisonous(operation) } };
    }
    if (operation.cancelRequestedAt !== null) abort("cancelled");
    using deadline = createStageDeadline(dependencies.deadlines, operation, (error) => {
      stop.abort(error);
    });
    try {
      await settleHost(db, operation).catch((error: unknown) => {
        abort("lost");
        throw error;
      });
      const outcome = await runner.run(operation, {
        signal: stop.signal,
        onEvent: (event) => {
          deadline.onEvent(event);
          progress.onEvent(event);
        },
      });
      return { kind: "end", ending: { state: "succeeded" }, outcome };
    } catch (error) {
      return await judge(error);
    }
  };

  const judge = async (error: unknown): Promise<Verdict> => {
    if (abortedFor === "cancelled") {
      return {
        kind: "end",
        ending: { state: "cancelled", error: cancelledFailure("It was cancelled as it ran.") },
      };
    }
    if (abortedFor !== undefined) {
      const failure = describeOperationFailure(stop.signal.reason, redactor);
      return { kind: "again", why: abortedFor, delayMs: 0, failure };
    }
    if (stop.signal.aborted) {
      const failure = describeOperationFailure(stop.signal.reason, redactor);
      return { kind: "end", ending: { state: "failed", error: failure } };
    }
    const failure = describeOperationFailure(error, redactor);
    if (!isProvisionerError(error)) {
      logger.error({ err: error, operationId, workspaceId }, "an operation failed unexpectedly");
    }
    if (!(await engineAnswers(dependencies.host))) {
      dependencies.onEngineDown();
      return { kind: "again", why: "engine", delayMs: 0, failure };
    }
    if (isRetryable(error) && operation.retries < dependencies.maxRetries) {
      const delayMs = retryDelay(operation.retries, dependencies.retryDelayMs);
      return { kind: "again", why: "failed", delayMs, failure };
    }
    return { kind: "end", ending: { state: "failed", error: failure } };
  };

  const write = async (verdict: Verdict, unwritten: UnwrittenProgress): Promise<void> => {
    await db.transaction(async (tx) => {
      await lockWorkspace(tx, operation.workspaceId);
      const [row] = await tx.select().from(operations).where(isOurs).for("update");
      // Whoever has it now decides.
      if (row === undefined) return;
      const ending = await endingOf(tx, verdict, row);
      const events =
        ending === undefined
          ? await handBack(tx, row, verdict as Extract<Verdict, { kind: "again" }>, unwritten)
          : await endOperation(tx, runner, {
              workspaceId: operation.workspaceId,
              where: isOurs,
              ending,
              actor: "system:worker",
              timings:
                (verdict.kind === "end" ? verdict.outcome?.timings : undefined) ??
                progress.timings(),
              patch: unwritten.columns,
            });
      await recordEvents(tx, [...unwritten.events, ...(events ?? [])]);
    });
  };

  const handBack = async (
    tx: Database,
    row: OperationRow,
    verdict: Extract<Verdict, { kind: "again" }>,
    unwritten: UnwrittenProgress,
  ): Promise<NewEvent[]> => {
    await tx
      .update(operations)
      .set({
        ...unwritten.columns,
        ...failureColumns(verdict.failure),
        state: "queued",
        claimedBy: null,
        leaseExpiresAt: null,
        retries: row.retries + (verdict.why === "failed" ? 1 : 0),
        notBefore: verdict.delayMs > 0 ? fromNow(verdict.delayMs) : null,
        timings: progress.timings(),
      })
      .where(isOurs);
    await notify(tx, "molecule_operations", row.id);
    return [
      {
        type: "OPERATION_RETRIED",
        workspaceId: row.workspaceId,
        operationId: row.id,
        actor: "system:worker",
        payload: {
          kind: row.kind,
          attempt: row.attempt,
          why: verdict.why,
          code: verdict.failure.code,
          message: verdict.failure.message,
          retry_in_ms: Math.round(verdict.delayMs),
        },
      },
    ];
  };

  const run = async (): Promise<void> => {
    const verdict = await attempt();
    const unwritten = await progress.close();
    for (let failures = 0; ; failures++) {
      try {
        await write(verdict, unwritten);
        return;
      } catch (error) {
        logger.error(
          { err: error, failures, operationId, workspaceId },
          "the end of an operation could not be stored yet",
        );
        const delayMs = Math.min(100 * 2 ** failures, 5000);
        const isAbandoned = await clock.sleep(delayMs, dependencies.abandoned).then(
          () => false,
          () => true,
        );
        if (isAbandoned) return;
      }
    }
  };

  return {
    operation,
    done: run(),
    abort,
    async renew() {
      const startedAt = clock.monotonic();
      try {
        const [row] = await db
          .update(operations)
          .set({ leaseExpiresAt: fromNow(leaseMs) })
          .where(isOurs)
          .returning({ cancelRequestedAt: operations.cancelRequestedAt });
        if (row === undefined) return abort("lost");
        renewedAt = startedAt;
        if (row.cancelRequestedAt !== null) abort("cancelled");
      } catch (error) {
        logger.warn({ err: error, operationId }, "a lease could not be renewed yet");
      }
    },
    heedLease() {
      if (clock.monotonic() - renewedAt > leaseMs * LEASE_SHARE) abort("lost");
    },
  };
}

/** The ending a verdict comes to now that the row is locked; undefined: it goes back to the queue. */
async function endingOf(
  tx: Database,
  verdict: Verdict,
  row: OperationRow,
): Promise<OperationEnding | undefined> {
  if (verdict.kind === "end" && verdict.ending.state !== "failed") return verdict.ending;
  if (row.cancelRequestedAt !== null) {
    return { state: "cancelled", error: cancelledFailure(`It was ${row.cancelReason}.`) };
  }
  if (verdict.kind === "end") return verdict.ending;
  // What waits does the same work anew.
  if (verdict.why === "failed" && (await hasFollowUp(tx, row.workspaceId))) {
    return { state: "failed", error: verdict.failure };
  }
  return undefined;
}

async function hasFollowUp(tx: Database, workspaceId: string): Promise<boolean> {
  const rows = await tx
    .select({ id: operations.id })
    .from(operations)
    .where(and(eq(operations.workspaceId, workspaceId), eq(operations.state, "waiting")));
  return rows.length > 0;
}

/** From its first operation on, a workspace belongs to the host that took it. */
async function settleHost(db: Database, operation: OperationRow): Promise<void> {
  await db
    .update(workspaces)
    .set({ hostId: operation.hostId, version: sql`${workspaces.version} + 1` })
    .where(
      and(
        eq(workspaces.id, operation.workspaceId),
        isNull(workspaces.hostId),
        ne(workspaces.status, "removed"),
      ),
    );
}

/** A time limit that starts again with every event, and has the length of the stage it is in. */
function createStageDeadline(
  deadlines: StageDeadlines,
  operation: OperationRow,
  onPassed: (error: Error) => void,
): Disposable & { onEvent(event: ProvisionEvent): void } {
  const start = (stage: Stage | undefined): Deadline => {
    const deadline = createDeadline({
      what: stage === undefined ? `${operation.kind} before its first stage` : `stage ${stage}`,
      timeoutMs: deadlines(stage, operation.runtime),
    });
    deadline.signal.addEventListener("abort", () => onPassed(deadline.signal.reason as Error));
    return deadline;
  };
  let current = start(undefined);
  return {
    onEvent(event) {
      if (event.type === "stage.started") {
        current[Symbol.dispose]();
        current = start(event.stage);
      } else {
        current.progress();
      }
    },
    [Symbol.dispose]: () => current[Symbol.dispose](),
  };
}

function isRetryable(error: unknown): boolean {
  return isProvisionerError(error) ? error.retryable : isConnectionFailure(error);
}

async function engineAnswers(host: HostLink): Promise<boolean> {
  try {
    await host.ping({ signal: AbortSignal.timeout(ENGINE_PING_MS) });
    return true;
  } catch {
    return false;
  }
}

/** Longer each time, and not the same for all that failed together. */
function retryDelay(retries: number, firstMs: number): number {
  const most = Math.min(firstMs * 4 ** retries, MOST_RETRY_DELAY_MS);
  return most * (0.5 + Math.random() / 2);
}

function poisonous({ takeovers }: OperationRow): OperationFailure {
  return {
    code: "ERR_OPERATION_LOST",
    message: `The server died or lost the operation ${takeovers} times while it worked on it.`,
    hint: "Look at the server's log and memory, then ask for it again.",
    details: { takeovers },
    logTail: undefined,
  };
}
