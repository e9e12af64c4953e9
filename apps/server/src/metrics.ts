import { sql } from "drizzle-orm";
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { OPERATION_KINDS, OPERATION_STATES } from "./state/operation-state.js";
import { WORKSPACE_STATUSES } from "./state/workspace-status.js";
import { queryRows } from "./store/database.js";
import type { Store } from "./store/open-store.js";

export interface FinishedRequest {
  readonly method: string;
  /** As registered, never as asked for: one value per route, however many ids there are. */
  readonly route: string;
  readonly status: number;
  readonly seconds: number;
}

/** What this process counts, and what the store tells of the whole fleet. */
export interface Metrics {
  requestFinished(request: FinishedRequest): void;
  /** In the text format of Prometheus. What the store tells is at most some seconds old. */
  text(): Promise<string>;
  readonly contentType: string;
}

export interface MetricsOptions {
  readonly store: Store;
  /** Streams that are open in this process. */
  readonly openStreams: () => number;
  /** Listeners of events in this process. */
  readonly listeners: () => number;
}

/** The store is asked this often at most, whoever asks for metrics: the route is open. */
const KEPT_MS = 5000;
const HEARTBEAT_ROUTE = "/registry/heartbeat";

/** Metrics of one server process, in a registry of their own. No label names a workspace. */
export function createMetrics({ store, openStreams, listeners }: MetricsOptions): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const durations = new Histogram({
    name: "molecule_http_request_duration_seconds",
    help: "Time from a request to the end of its answer; streams are not in it.",
    labelNames: ["method", "route", "status"],
    buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30],
    registers,
  });
  const heartbeats = new Counter({
    name: "molecule_heartbeats_total",
    help: "Heartbeats of agents that were taken.",
    registers,
  });
  const fleet = createFleetGauges(registers);
  new Gauge({
    name: "molecule_streams_open",
    help: "Answers that are going on.",
    registers,
    collect() {
      this.set(openStreams());
    },
  });
  new Gauge({
    name: "molecule_event_listeners",
    help: "Listeners of events.",
    registers,
    collect() {
      this.set(listeners());
    },
  });

  let readAt = -Infinity;
  let reading: Promise<void> | undefined;
  const refresh = async (): Promise<void> => {
    if (performance.now() - readAt < KEPT_MS) return;
    reading ??= fleet.read(store).finally(() => {
      readAt = performance.now();
      reading = undefined;
    });
    await reading;
  };

  return {
    contentType: registry.contentType,
    requestFinished({ method, route, status, seconds }) {
      durations.observe({ method, route, status: String(status) }, seconds);
      if (route === HEARTBEAT_ROUTE && status === 200) heartbeats.inc();
    },
    async text() {
      await refresh();
      return registry.metrics();
    },
  };
}

interface FleetGauges {
  /** Never rejects: what cannot be read is not shown, and said by `molecule_database_up`. */
  read(store: Store): Promise<void>;
}

interface LoopRow {
  readonly name: string;
  readonly runs: number;
  readonly failures: number;
  readonly succeeded_at: number | null;
  readonly is_led: boolean;
}

function createFleetGauges(registers: Registry[]): FleetGauges {
  const gauge = <Label extends string = never>(
    name: string,
    help: string,
    labelNames: readonly Label[] = [],
  ): Gauge<Label> => new Gauge({ name: `molecule_${name}`, help, labelNames, registers });
  const isUp = gauge("database_up", "1 when the database answered the last time it was asked.");
  const latency = gauge("database_ping_seconds", "What one empty statement took.");
  const workspaces = gauge("workspaces", "Workspaces by status.", ["status"]);
  const operations = gauge("operations", "Operations that are kept, by kind and state.", [
    "kind",
    "state",
  ]);
  const depth = gauge("operations_queue_depth", "Operations that are not running yet.");
  const oldest = gauge("operations_queue_oldest_seconds", "Age of the oldest of those.");
  const instances = gauge("server_instances", "Server processes that live.");
  const runs = gauge("loop_runs_total", "Runs of background loops.", ["loop"]);
  const failures = gauge("loop_failures_total", "Runs that failed.", ["loop"]);
  const succeeded = gauge(
    "loop_last_success_timestamp_seconds",
    "When a loop last succeeded, in seconds since 1970.",
    ["loop"],
  );
  const isLed = gauge("loop_leader", "1 while some process leads the loop.", ["loop"]);

  const readAll = async (store: Store): Promise<void> => {
    const { db } = store;
    const from = performance.now();
    await store.ping();
    latency.set((performance.now() - from) / 1000);
    const byStatus = await queryRows<{ status: string; count: number }>(
      db,
      sql`select status::text as status, count(*)::int as count from workspaces group by 1`,
    );
    for (const status of WORKSPACE_STATUSES) workspaces.set({ status }, 0);
    for (const { status, count } of byStatus) workspaces.set({ status }, count);
    const byKind = await queryRows<{ kind: string; state: string; count: number }>(
      db,
      sql`
        select kind::text as kind, state::text as state, count(*)::int as count
        from operations group by 1, 2`,
    );
    for (const kind of OPERATION_KINDS) {
      for (const state of OPERATION_STATES) operations.set({ kind, state }, 0);
    }
    for (const { kind, state, count } of byKind) operations.set({ kind, state }, count);
    const [queue] = await queryRows<{ depth: number; oldest: number }>(
      db,
      sql`
        select count(*)::int as depth,
          coalesce(extract(epoch from clock_timestamp() - min(created_at)), 0)::float8 as oldest
        from operations where state in ('waiting', 'queued')`,
    );
    depth.set(queue?.depth ?? 0);
    oldest.set(Math.max(0, queue?.oldest ?? 0));
    const [alive] = await queryRows<{ count: number }>(
      db,
      sql`
        select count(*)::int as count from server_instances
        where seen_at > clock_timestamp() - interval '30 seconds'`,
    );
    instances.set(alive?.count ?? 0);
    const loops = await queryRows<LoopRow>(
      db,
      sql`
        select name, runs::float8 as runs, failures::float8 as failures,
          extract(epoch from last_succeeded_at)::float8 as succeeded_at,
          coalesce(lease_expires_at > clock_timestamp(), false) as is_led
        from loops order by name`,
    );
    for (const loop of loops) {
      runs.set({ loop: loop.name }, loop.runs);
      failures.set({ loop: loop.name }, loop.failures);
      if (loop.succeeded_at !== null) succeeded.set({ loop: loop.name }, loop.succeeded_at);
      isLed.set({ loop: loop.name }, loop.is_led ? 1 : 0);
    }
  };

  return {
    async read(store) {
      try {
        await readAll(store);
        isUp.set(1);
      } catch {
        isUp.set(0);
      }
    },
  };
}
