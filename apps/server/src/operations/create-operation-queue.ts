import { systemClock, type Clock } from "@molecule-ai/core";
import { and, eq, inArray, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { ServerError } from "../errors.js";
import { UNFINISHED_STATES } from "../state/operation-state.js";
import { queryRows, type Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { insertRows } from "../store/insert-rows.js";
import { notify } from "../store/notifications.js";
import type { Store } from "../store/open-store.js";
import { operations } from "../store/schema.js";
import { endingEvent, endOperation, failureColumns, lockWorkspace } from "./end-operation.js";
import { cancelledFailure } from "./operation-failure.js";
import type {
  OperationQueue,
  OperationRequest,
  OperationRow,
  OperationRunner,
  RequestedOperation,
} from "./operation.js";
import { planRequest, type RequestPlan, type UnfinishedOperations } from "./plan-request.js";
import { isStarting } from "./queue-order.js";

export interface OperationQueueOptions {
  readonly store: Store;
  /** Told of operations that end before they ever ran. */
  readonly runner: Pick<OperationRunner, "finish">;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** How long `settled` trusts notifications before it looks itself. Default 1 s. */
  readonly pollMs?: number | undefined;
}

/** The queue in the store. It holds nothing itself: every process on the store may have one. */
export function createOperationQueue(options: OperationQueueOptions): OperationQueue {
  const { store, runner, clock = systemClock, pollMs = 1000 } = options;
  const { db, notifications } = store;

  const get = async (id: string): Promise<OperationRow | undefined> => {
    const [row] = await db.select().from(operations).where(eq(operations.id, id));
    return row;
  };

  return {
    get,

    async request(tx, request) {
      const workspace = await lockWorkspace(tx, request.workspaceId);
      if (workspace === undefined || (isRemoved(workspace) && request.kind !== "remove")) {
        throw new ServerError("ERR_NOT_FOUND", `There is no workspace ${request.workspaceId}.`);
      }
      const unfinished = await findUnfinished(tx, request.workspaceId);
      const plan = planRequest(unfinished, {
        kind: request.kind,
        params: request.params ?? {},
      });
      const requested =
        plan.kind === "join"
          ? await join(tx, plan)
          : await insert(tx, plan, request, request.hostId ?? unfinished.open?.hostId ?? undefined);
      const { id } = requested.operation;
      await tx.execute(sql`
        update workspaces set last_operation_id = ${id} where id = ${request.workspaceId}
        returning pg_notify('molecule_operations', ${id})`);
      return requested;
    },

    async requestFirst(tx, requests) {
      const asked = requests.map((request) => ({ id: randomUUID(), request }));
      await insertRows(
        tx,
        operations,
        asked.map(({ id, request }) => ({
          id,
          workspaceId: request.workspaceId,
          runtime: request.runtime,
          kind: request.kind,
          state: "queued",
          params: request.params ?? {},
          requestedBy: request.requestedBy,
          hostId: request.hostId,
        })),
        { createdAt: sql`clock_timestamp()` },
      );
      const [first] = asked;
      // One is enough for those who take operations; nobody waits for the end of one of these yet.
      if (first !== undefined) await notify(tx, "molecule_operations", first.id);
      return asked.map(({ id, request }) => ({
        operation: { id, workspaceId: request.workspaceId, state: "queued" },
        events: [queuedEvent(id, request, { state: "queued", outcome: "created" })],
      }));
    },

    async cancel(id, by) {
      const found = await get(id);
      if (found === undefined) return undefined;
      return db.transaction(async (tx) => {
        await lockWorkspace(tx, found.workspaceId);
        const [row] = await tx.select().from(operations).where(eq(operations.id, id)).for("update");
        if (row === undefined || !isCancellable(row)) return row;
        if (row.state === "running") return requestCancel(tx, row, `cancelled by ${by.actor}`);
        if (row.state !== "queued" && row.state !== "waiting") return row;
        const events = await endOperation(tx, runner, {
          workspaceId: row.workspaceId,
          where: eq(operations.id, id),
          ending: {
            state: "cancelled",
            error: cancelledFailure(`It was cancelled by ${by.actor}.`),
          },
          isOpen: row.state === "queued",
          ...by,
        });
        const [ended] = await tx.select().from(operations).where(eq(operations.id, id));
        await recordEvents(tx, events ?? []);
        return ended;
      });
    },

    async position(id) {
      const [found] = await queryRows<{ position: number | null; queued: number }>(
        db,
        sql`
          select
            case when bool_or(o.id = me.id) then
              (count(*) filter (where (o.created_at, o.id) <= (me.created_at, me.id)))::int
            end as position,
            count(*)::int as queued
          from operations me join operations o on o.state = 'queued'
            and ${isStarting("o")} = ${isStarting("me")}
          where me.id = ${id}`,
      );
      return { position: found?.position ?? undefined, queued: found?.queued ?? 0 };
    },

    async settled(id, { signal }) {
      let wake: () => void = () => undefined;
      const unsubscribe = await notifications.subscribe("molecule_operations", (payload) => {
        if (payload === id || payload === "") wake();
      });
      try {
        for (;;) {
          const changed = new Promise<void>((resolve) => (wake = resolve));
          const row = await get(id);
          if (row === undefined || !isUnfinished(row) || signal.aborted) return row;
          const pause = new AbortController();
          const either = AbortSignal.any([signal, pause.signal]);
          await Promise.race([changed, clock.sleep(pollMs, either).catch(() => undefined)]);
          pause.abort();
        }
      } finally {
        unsubscribe();
      }
    },
  };
}

type JoinPlan = Extract<RequestPlan, { kind: "join" }>;
type InsertPlan = Extract<RequestPlan, { kind: "insert" }>;

async function findUnfinished(tx: Database, workspaceId: string): Promise<UnfinishedOperations> {
  const rows = await tx
    .select()
    .from(operations)
    .where(
      and(
        eq(operations.workspaceId, workspaceId),
        inArray(operations.state, [...UNFINISHED_STATES]),
      ),
    )
    .for("update");
  return {
    open: rows.find(({ state }) => state !== "waiting"),
    waiting: rows.find(({ state }) => state === "waiting"),
  };
}

async function join(tx: Database, { operation, params }: JoinPlan): Promise<RequestedOperation> {
  const [joined] = await tx
    .update(operations)
    // Who asks again does not wait for the end of a back-off.
    .set({ params, notBefore: null })
    .where(eq(operations.id, operation.id))
    .returning();
  return { operation: joined ?? operation, outcome: "joined", events: [] };
}

async function insert(
  tx: Database,
  plan: InsertPlan,
  request: OperationRequest,
  hostId: string | undefined,
): Promise<RequestedOperation> {
  const id = randomUUID();
  const events: NewEvent[] = [];
  for (const superseded of plan.cancel) {
    const error = cancelledFailure("A later request took its place.", { superseded_by: id });
    await tx
      .update(operations)
      .set({
        state: "cancelled",
        cancelReason: error.message,
        finishedAt: sql`clock_timestamp()`,
        ...failureColumns(error),
      })
      .where(eq(operations.id, superseded.id));
    await notify(tx, "molecule_operations", superseded.id);
    events.push(
      endingEvent(
        superseded,
        { state: "cancelled", error },
        { actor: request.requestedBy, requestId: request.requestId },
      ),
    );
  }
  if (plan.abort !== undefined)
    await requestCancel(tx, plan.abort, "superseded by a later request");
  const [operation] = await tx
    .insert(operations)
    .values({
      id,
      workspaceId: request.workspaceId,
      runtime: request.runtime,
      kind: request.kind,
      state: plan.state,
      params: plan.params,
      requestedBy: request.requestedBy,
      hostId,
      // Not now(): operations of one transaction are in the order they were asked for.
      createdAt: sql`clock_timestamp()`,
    })
    .returning();
  if (operation === undefined) throw new Error("an insert returned no row");
  events.push(queuedEvent(id, request, plan));
  return { operation, outcome: plan.outcome, events };
}

function queuedEvent(
  id: string,
  request: OperationRequest,
  { state, outcome }: Pick<InsertPlan, "state" | "outcome">,
): NewEvent {
  return {
    type: "OPERATION_QUEUED",
    workspaceId: request.workspaceId,
    operationId: id,
    actor: request.requestedBy,
    requestId: request.requestId,
    payload: { kind: request.kind, state, outcome },
  };
}

/** Asks whoever runs it to stop; the first reason stays. */
async function requestCancel(
  tx: Database,
  row: OperationRow,
  reason: string,
): Promise<OperationRow> {
  if (row.cancelRequestedAt !== null) return row;
  const [asked] = await tx
    .update(operations)
    .set({ cancelRequestedAt: sql`clock_timestamp()`, cancelReason: reason })
    .where(eq(operations.id, row.id))
    .returning();
  await notify(tx, "molecule_operations", row.id);
  return asked ?? row;
}

function isRemoved(workspace: { readonly status: string }): boolean {
  return workspace.status === "removed";
}

/** The status says already that it is removed, or paused: it will be true. */
function isCancellable({ kind }: OperationRow): boolean {
  return kind !== "remove" && kind !== "pause";
}

function isUnfinished(row: OperationRow): boolean {
  return (UNFINISHED_STATES as readonly string[]).includes(row.state);
}
