import { systemClock, type Clock, type Redactor } from "@molecule-ai/core";
import type { HostLink } from "../host/host.js";
import type { Logger } from "../logger.js";
import type { Store } from "../store/open-store.js";
import { claimOperation, expireLeasesOfOthers, lookAtQueue } from "./claim-operation.js";
import {
  startAttempt,
  type AttemptDependencies,
  type OperationAttempt,
} from "./operation-attempt.js";
import type { OperationRunner } from "./operation.js";
import { startsAgent } from "./plan-request.js";
import type { StageDeadlines } from "./stage-deadlines.js";

export interface WorkerOptions {
  readonly store: Store;
  readonly runner: OperationRunner;
  readonly host: HostLink;
  /** This process, among those that share the store; never used twice. */
  readonly instanceId: string;
  readonly limits: {
    /** Operations at once that start an agent; those that stop one have as many slots of their own. */
    readonly total: number;
    /** Operations of one runtime that start an agent, on this host, over all processes. */
    readonly perRuntime: number;
  };
  readonly deadlines: StageDeadlines;
  readonly logger: Logger;
  readonly redactor: Redactor;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** How long a worker that went silent keeps its operations. Default 15 s; renewed three times in that. */
  readonly leaseMs?: number | undefined;
  /** How long it trusts notifications before it looks itself. Default 5 s. */
  readonly pollMs?: number | undefined;
  /** Failed attempts that are tried again, when their error is retryable. Default 2. */
  readonly maxRetries?: number | undefined;
  /** The wait before the first retry; each later one is four times as long. Default 2 s. */
  readonly retryDelayMs?: number | undefined;
  /** How often a process may die of one operation before that fails. Default 10. */
  readonly maxTakeovers?: number | undefined;
}

/** Runs operations of the queue on the engine of this process. */
export interface Worker extends AsyncDisposable {
  /** Takes operations from now on, as soon as there is an engine. */
  start(): Promise<void>;
  /** How many it runs now. */
  readonly running: number;
  /**
   * Takes no more, gives those under way `graceMs` to end, then stops them and hands them back to
   * the queue. Resolves when nothing runs any more, or could not be stopped for some seconds: the
   * process should end then, and whoever comes next takes over. Idempotent.
   */
  drain(options: { readonly graceMs: number }): Promise<void>;
}

/** How long a run may take to stop when the process ends. */
const STOP_MS = 5000;
/** Between looks at an engine or a database that does not answer. */
const OUTAGE_PAUSE_MS = 1000;

export function createWorker(options: WorkerOptions): Worker {
  const { store, host, instanceId, limits, logger, clock = systemClock } = options;
  const { leaseMs = 15_000, pollMs = 5000 } = options;
  const { db } = store;

  const attempts = new Map<string, OperationAttempt>();
  /** Ends the taking; what runs goes on. */
  const closing = new AbortController();
  /** Ends the renewals: nothing runs any more. */
  const closed = new AbortController();
  let isEngineDown = false;
  let isWoken = false;
  let wake: () => void = () => undefined;
  let taking: Promise<void> | undefined;
  let renewing: Promise<void> | undefined;
  let unsubscribe: () => void = () => undefined;
  let draining: Promise<void> | undefined;

  const dependencies: AttemptDependencies = {
    store,
    runner: options.runner,
    host,
    deadlines: options.deadlines,
    clock,
    logger,
    redactor: options.redactor,
    leaseMs,
    maxRetries: options.maxRetries ?? 2,
    retryDelayMs: options.retryDelayMs ?? 2000,
    maxTakeovers: options.maxTakeovers ?? 10,
    abandoned: closed.signal,
    onEngineDown: () => {
      isEngineDown = true;
    },
  };

  const wakeUp = (): void => {
    isWoken = true;
    wake();
  };
  const countRunning = (starting: boolean): number =>
    [...attempts.values()].filter(({ operation }) => startsAgent(operation.kind) === starting)
      .length;

  const take = async (hostId: string): Promise<boolean> => {
    const hasSlot = {
      starting: countRunning(true) < limits.total,
      stopping: countRunning(false) < limits.total,
    };
    if (!hasSlot.starting && !hasSlot.stopping) return false;
    const claimedAt = clock.monotonic();
    const operation = await claimOperation(db, {
      hostId,
      instanceId,
      leaseMs,
      perRuntime: limits.perRuntime,
      hasSlot,
      runningIds: [...attempts.keys()],
    });
    if (operation === undefined) return false;
    const attempt = startAttempt(dependencies, operation, claimedAt);
    attempts.set(operation.id, attempt);
    void attempt.done.then(() => {
      // It may have been handed back and taken again.
      if (attempts.get(operation.id) === attempt) attempts.delete(operation.id);
      wakeUp();
    });
    return true;
  };

  /** Takes all it may; resolves with how long nothing will change without a notification. */
  const takeAll = async (): Promise<number> => {
    const { id: hostId } = await host.connected({ signal: closing.signal });
    if (isEngineDown) {
      await host.ping({ signal: AbortSignal.any([closing.signal, AbortSignal.timeout(pollMs)]) });
      isEngineDown = false;
    }
    for (;;) {
      const { isReady, dueMs } = await lookAtQueue(db, hostId, [...attempts.keys()]);
      if (closing.signal.aborted || !isReady || !(await take(hostId))) return dueMs ?? pollMs;
    }
  };

  const takeUntilClosing = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      isWoken = false;
      try {
        const idleMs = await takeAll();
        if (!isWoken) await pauseUntilWoken(Math.max(10, Math.min(idleMs, pollMs)));
      } catch (error) {
        if (closing.signal.aborted) return;
        logger.warn({ err: error }, "operations cannot be taken yet");
        await clock.sleep(OUTAGE_PAUSE_MS, closing.signal).catch(() => undefined);
      }
    }
  };
  const pauseUntilWoken = async (ms: number): Promise<void> => {
    const woken = new AbortController();
    wake = () => woken.abort();
    await clock.sleep(ms, AbortSignal.any([woken.signal, closing.signal])).catch(() => undefined);
  };

  const renewUntilClosed = async (): Promise<void> => {
    const everyMs = leaseMs / 15;
    for (let tick = 1; !closed.signal.aborted; tick++) {
      await clock.sleep(everyMs, closed.signal).catch(() => undefined);
      for (const attempt of attempts.values()) {
        attempt.heedLease();
        if (tick % 5 === 0) void attempt.renew();
      }
    }
  };

  const onNotification = (payload: string): void => {
    // A payload may have been missed: each may have been cancelled.
    if (payload === "") for (const attempt of attempts.values()) void attempt.renew();
    else void attempts.get(payload)?.renew();
    wakeUp();
  };

  const settle = async (ms: number): Promise<void> => {
    const over = new AbortController();
    const all = Promise.all([...attempts.values()].map(({ done }) => done));
    await Promise.race([all, clock.sleep(ms, over.signal).catch(() => undefined)]);
    over.abort();
  };
  const drainWithin = async (graceMs: number): Promise<void> => {
    closing.abort(new Error("the worker stops"));
    await taking;
    await settle(graceMs);
    for (const attempt of attempts.values()) attempt.abort("shutdown");
    await settle(STOP_MS);
    if (attempts.size > 0) {
      logger.error({ operations: [...attempts.keys()] }, "operations did not stop in time");
    }
    closed.abort(new Error("the worker stopped"));
    await renewing;
    unsubscribe();
  };
  const drain: Worker["drain"] = ({ graceMs }) => {
    draining ??= drainWithin(graceMs);
    return draining;
  };

  return {
    get running() {
      return attempts.size;
    },
    async start() {
      if (store.kind === "pglite") await expireLeasesOfOthers(db, instanceId);
      unsubscribe = await store.notifications.subscribe("molecule_operations", onNotification);
      taking = takeUntilClosing();
      renewing = renewUntilClosed();
    },
    drain,
    [Symbol.asyncDispose]: () => drain({ graceMs: 0 }),
  };
}
