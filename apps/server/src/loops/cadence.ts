/** When each background loop runs, and what it does, for people; the documentation is held to it. */
export const LOOPS = {
  health: {
    intervalMs: 15_000,
    timeoutMs: 60_000,
    perHost: true,
    rule: "A workspace whose container is gone is made again; one that runs again is online again. Events of the engine come first, looking is second.",
  },
  "provision-deadlines": {
    intervalMs: 30_000,
    timeoutMs: 60_000,
    perHost: false,
    rule: "A provision that nobody works on, or that makes no progress for the time its runtime has, is failed.",
  },
  "remote-heartbeats": {
    intervalMs: 15_000,
    timeoutMs: 30_000,
    perHost: false,
    rule: "An external agent that is silent for REMOTE_LIVENESS_STALE_AFTER is offline. A silent agent in a container that runs is only counted.",
  },
  orphans: {
    intervalMs: 60_000,
    timeoutMs: 120_000,
    perHost: true,
    rule: "Containers of this installation that no workspace wants go after ten minutes; storage only of workspaces that were deleted here. Removals and pauses that failed are asked for again.",
  },
  tokens: {
    intervalMs: 60_000,
    timeoutMs: 30_000,
    perHost: false,
    rule: "Tokens made for a provision that failed are revoked five minutes after it, unless an agent uses them.",
  },
  hibernation: {
    intervalMs: 120_000,
    timeoutMs: 60_000,
    perHost: false,
    rule: "A workspace without tasks for its hibernation_idle_minutes is hibernated.",
  },
  retention: {
    intervalMs: 600_000,
    timeoutMs: 120_000,
    perHost: false,
    rule: "Events, finished operations, builds and revoked tokens go after ACTIVITY_RETENTION_DAYS, idempotency keys after a day.",
  },
} as const satisfies Readonly<Record<string, LoopCadence>>;
export type LoopName = keyof typeof LOOPS;

export interface LoopCadence {
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly perHost: boolean;
  readonly rule: string;
}

/** Name and cadence, as a `Loop` begins. */
export function cadenceOf(name: LoopName): Omit<LoopCadence, "rule"> & { readonly name: LoopName } {
  const { intervalMs, timeoutMs, perHost } = LOOPS[name];
  return { name, intervalMs, timeoutMs, perHost };
}
