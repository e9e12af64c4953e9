import { createDeadline, type Clock } from "@molecule-ai/core";
import type { Logger } from "../logger.js";
import type { Database } from "../store/database.js";
import { createLease } from "./lease.js";
import type { Loop } from "./loop.js";
import { createRunRecord } from "./run-record.js";

/** A leader that is gone is replaced after this time at the latest. */
const LEASE_MS = 30_000;
/** How often a process that does not lead asks whether it may. */
const STANDBY_MS = 5_000;
const FIRST_BACKOFF_MS = 1_000;
const LONGEST_BACKOFF_MS = 30_000;
/** Notices that come together make one run. */
const GATHER_MS = 100;

export interface SuperviseOptions {
  readonly db: Database;
  /** This process. */
  readonly instanceId: string;
  /** Undefined for a loop that is not per host. */
  readonly hostId: string | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
  /** From 0 to 1; spreads the runs of many processes. */
  readonly random?: (() => number) | undefined;
  readonly leaseMs?: number | undefined;
  readonly standbyMs?: number | undefined;
}

/** Name of the row of a loop. */
export function rowNameOf(
  loop: Pick<Loop, "name" | "perHost">,
  hostId: string | undefined,
): string {
  return loop.perHost ? `${loop.name}@${hostId ?? ""}` : loop.name;
}

/** Time until the next try after `failures` in a row. */
export function backoffMs(failures: number): number {
  return Math.min(FIRST_BACKOFF_MS * 2 ** Math.max(0, failures - 1), LONGEST_BACKOFF_MS);
}

/** Nine to eleven tenths of an interval. */
export function jittered(intervalMs: number, random: number): number {
  return Math.round(intervalMs * (0.9 + random * 0.2));
}

/**
 * Runs a loop whenever it is due and this process leads it; nothing that happens in it ends the
 * process. Disposing it aborts the run under way, waits for its end and gives the lead away.
 */
export function supervise(loop: Loop, options: SuperviseOptions): AsyncDisposable {
  const { db, instanceId: holder, clock } = options;
  const random = options.random ?? Math.random;
  const leaseMs = options.leaseMs ?? LEASE_MS;
  const standbyMs = Math.min(loop.intervalMs, options.standbyMs ?? STANDBY_MS);
  const name = rowNameOf(loop, options.hostId);
  const warn = (error: unknown, message: string): void => {
    options.logger.warn({ err: error, loop: name }, message);
  };
  const lease = createLease(db, { name, holder, leaseMs });
  const record = createRunRecord(db, { name, holder });

  const stopping = new AbortController();
  let resting = new AbortController();
  let isWoken = false;
  let failures = 0;

  const isStopping = (): boolean => stopping.signal.aborted;
  const rest = async (ms: number): Promise<void> => {
    if (isStopping()) return;
    resting = new AbortController();
    await clock.sleep(ms, resting.signal).catch(() => undefined);
  };
  /** What fails waits its time, however much happens meanwhile. */
  const mayHurry = (): boolean => isWoken && failures === 0;
  const wake = (): void => {
    isWoken = true;
    if (mayHurry()) resting.abort();
  };

  const failed = (error: unknown, message: string): void => {
    failures += 1;
    warn(error, message);
  };

  const runOnce = async (leading: AbortSignal): Promise<void> => {
    isWoken = false;
    const { timeoutMs } = loop;
    using deadline = createDeadline({
      what: `The loop ${name}`,
      timeoutMs,
      kind: "total",
      signal: leading,
    });
    const { signal } = deadline;
    try {
      await record.started();
      const running = loop.run({ signal });
      // A run that does not end when told to is a failure already, and still the only one.
      const summary = await Promise.race([running, rejection(signal)]).catch(async (error) => {
        if (!leading.aborted) await record.failed(error);
        await running.catch(() => undefined);
        throw error;
      });
      await record.succeeded(summary);
      failures = 0;
    } catch (error) {
      if (!leading.aborted) failed(error, "a background run failed");
    }
  };

  /** Leads until the lease is lost or the supervisor stops. */
  const lead = async (): Promise<void> => {
    const leading = new AbortController();
    const resign = (): void => {
      leading.abort(new Error(`this process no longer leads ${name}`));
      resting.abort();
    };
    stopping.signal.addEventListener("abort", resign, { once: true });
    const renewing = keepRenewed(leading.signal, resign);
    const watching = keepWatching(leading.signal);
    try {
      while (!leading.signal.aborted) {
        await runOnce(leading.signal);
        if (leading.signal.aborted) break;
        const dueMs = failures > 0 ? backoffMs(failures) : loop.intervalMs;
        if (!mayHurry()) await rest(jittered(dueMs, random()));
        if (mayHurry()) await slept(GATHER_MS, leading.signal);
      }
    } finally {
      resign();
      stopping.signal.removeEventListener("abort", resign);
      await Promise.all([renewing, watching]);
    }
  };

  const keepRenewed = async (leading: AbortSignal, resign: () => void): Promise<void> => {
    let heldAt = clock.monotonic();
    while (await slept(leaseMs / 3, leading)) {
      try {
        const askedAt = clock.monotonic();
        if (!(await lease.hold())) return resign();
        heldAt = askedAt;
      } catch (error) {
        warn(error, "the lead of a loop cannot be renewed");
        if (clock.monotonic() - heldAt > (leaseMs * 2) / 3) return resign();
      }
    }
  };

  const keepWatching = async (leading: AbortSignal): Promise<void> => {
    if (loop.watch === undefined) return;
    for (let attempt = 1; !leading.aborted; attempt += 1) {
      try {
        await loop.watch({
          signal: leading,
          wake: () => {
            attempt = 0;
            wake();
          },
        });
      } catch (error) {
        if (!leading.aborted) warn(error, "a background watch broke");
      }
      await slept(backoffMs(attempt), leading);
    }
  };

  const slept = async (ms: number, signal: AbortSignal): Promise<boolean> => {
    await clock.sleep(ms, signal).catch(() => undefined);
    return !signal.aborted;
  };

  const supervising = (async () => {
    await rest(random() * Math.min(loop.intervalMs, 1000));
    while (!isStopping()) {
      try {
        if (await lease.hold()) await lead();
        failures = 0;
        await rest(jittered(standbyMs, random()));
      } catch (error) {
        failed(error, "a background loop cannot be led");
        await rest(jittered(backoffMs(failures), random()));
      }
    }
    await lease.release().catch((error: unknown) => {
      warn(error, "the lead of a loop was not given back; it expires");
    });
  })();

  return {
    async [Symbol.asyncDispose]() {
      stopping.abort();
      resting.abort();
      await supervising;
    },
  };
}

/** Rejects with the reason of a signal, once it aborts. */
function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const refuse = (): void => reject(signal.reason as Error);
    if (signal.aborted) refuse();
    else signal.addEventListener("abort", refuse, { once: true });
  });
}
