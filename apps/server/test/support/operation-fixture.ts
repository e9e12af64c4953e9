import { createRedactor, type JsonObject } from "@molecule-ai/core";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { ServerError } from "../../src/errors.js";
import type { Host, HostLink } from "../../src/host/host.js";
import { createOperationQueue } from "../../src/operations/create-operation-queue.js";
import {
  createWorker,
  type Worker,
  type WorkerOptions,
} from "../../src/operations/create-worker.js";
import type {
  OperationEnding,
  OperationQueue,
  OperationRow,
  OperationRunner,
  RequestedOperation,
  RunContext,
  RunOutcome,
} from "../../src/operations/operation.js";
import type { OperationKind } from "../../src/state/operation-state.js";
import { recordEvents } from "../../src/store/events.js";
import type { Store } from "../../src/store/open-store.js";
import { workspaces } from "../../src/store/schema.js";

/** What a runner was told at the end of an operation. */
export interface Finished {
  readonly operation: OperationRow;
  readonly ending: OperationEnding;
  readonly next: OperationRow | undefined;
}

/** A runner whose work is what the test says. */
export interface TestRunner extends OperationRunner {
  readonly finished: Finished[];
  /** What a run does; by default it succeeds at once. */
  work: (operation: OperationRow, context: RunContext) => Promise<RunOutcome | void>;
  /** What ending does beside being remembered. */
  onFinish: OperationRunner["finish"];
}

export function createTestRunner(): TestRunner {
  const runner: TestRunner = {
    finished: [],
    work: () => Promise.resolve(),
    onFinish: () => Promise.resolve(),
    run: async (operation, context) => (await runner.work(operation, context)) ?? {},
    async finish(tx, operation, ending, next) {
      await runner.onFinish(tx, operation, ending, next);
      runner.finished.push({ operation, ending, next });
    },
  };
  return runner;
}

/** A run that lasts until it is aborted, and rejects with the reason. */
export function untilAborted(_: OperationRow, { signal }: RunContext): Promise<never> {
  return new Promise((_resolve, reject) => {
    const onAbort = (): void => reject(signal.reason as Error);
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
}

export interface TestHostLink extends HostLink {
  /** False: the engine does not answer. */
  isUp: boolean;
}

/** An engine of which only the id and the ping are used. */
export function createTestHostLink(id = "host-a"): TestHostLink {
  const host = { id } as Host;
  const link: TestHostLink = {
    isUp: true,
    host,
    require: () => host,
    connected: () => Promise.resolve(host),
    ping: () =>
      link.isUp
        ? Promise.resolve()
        : Promise.reject(new ServerError("ERR_ENGINE_UNAVAILABLE", "The engine is away.")),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  return link;
}

export type TestWorkerOptions = Partial<WorkerOptions> & Pick<WorkerOptions, "runner">;

/** A worker with limits and leases for tests; not started. */
export function createTestWorker(store: Store, options: TestWorkerOptions): Worker {
  return createWorker({
    store,
    host: createTestHostLink(),
    instanceId: randomUUID(),
    limits: { total: 8, perRuntime: 8 },
    deadlines: () => 60_000,
    logger: pino({ level: "silent" }),
    redactor: createRedactor(["s3cret-value"]),
    leaseMs: 1500,
    retryDelayMs: 20,
    ...options,
  });
}

export async function addWorkspace(
  store: Store,
  values: Partial<typeof workspaces.$inferInsert> = {},
): Promise<string> {
  const id = values.id ?? randomUUID();
  await store.db.insert(workspaces).values({
    name: "agent",
    tier: 2,
    status: "provisioning",
    runtime: "langgraph",
    createdBy: "admin",
    ...values,
    id,
  });
  return id;
}

export interface Ask {
  readonly kind?: OperationKind | undefined;
  readonly runtime?: string | undefined;
  readonly hostId?: string | undefined;
  readonly params?: JsonObject | undefined;
}

/** Requests an operation in a transaction of its own, events and all. */
export async function ask(
  store: Store,
  queue: OperationQueue,
  workspaceId: string,
  { kind = "provision", runtime = "langgraph", hostId, params }: Ask = {},
): Promise<RequestedOperation> {
  return store.db.transaction(async (tx) => {
    const requested = await queue.request(tx, {
      workspaceId,
      runtime,
      kind,
      hostId,
      params,
      requestedBy: "admin",
    });
    await recordEvents(tx, requested.events);
    return requested;
  });
}

export function createTestQueue(store: Store, runner = createTestRunner()): OperationQueue {
  return createOperationQueue({ store, runner });
}
