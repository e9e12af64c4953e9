/** One side of a comparison: does the work once and hands back how to clean up, which is not timed. */
export type Side = () => Promise<(() => Promise<void>) | undefined>;

export interface Comparison extends AsyncDisposable {
  readonly ours: Side;
  readonly theirs: Side;
  /** Sets the stage for one run of a side; not timed. */
  readonly before?: Readonly<Partial<Record<"ours" | "theirs", () => Promise<void>>>> | undefined;
}

export type Target = number | { readonly ms: number };

export interface Scenario {
  readonly id: string;
  /** What we do. */
  readonly title: string;
  /** What it is held against. */
  readonly against: string;
  /** What is good at most: a ratio of medians, or our own median. */
  readonly target: Target;
  readonly iterations: number;
  /** Why the scenario cannot run here, or undefined. */
  readonly unavailable?: (() => Promise<string | undefined>) | undefined;
  prepare(): Promise<Comparison>;
}

export interface Timings {
  readonly p50: number;
  readonly p99: number;
  readonly samples: readonly number[];
}

export interface Measurement {
  readonly id: string;
  readonly title: string;
  readonly against: string;
  readonly target: Target;
  readonly ours: Timings;
  readonly theirs: Timings;
  /** Median of ours over median of theirs. */
  readonly ratio: number;
  readonly met: boolean;
}

/**
 * Runs both sides in turn, the first of each pair alternating, so that a noisy moment of the machine
 * hits both. One pair before the first measured one warms caches.
 */
export async function measure(scenario: Scenario, iterations: number): Promise<Measurement> {
  await using comparison = await scenario.prepare();
  const ours: number[] = [];
  const theirs: number[] = [];
  await time(comparison, "ours");
  await time(comparison, "theirs");
  for (let round = 0; round < iterations; round += 1) {
    const order = round % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const);
    for (const side of order) {
      (side === "ours" ? ours : theirs).push(await time(comparison, side));
    }
  }
  const oursTimings = timings(ours);
  const theirsTimings = timings(theirs);
  const ratio = oursTimings.p50 / theirsTimings.p50;
  return {
    id: scenario.id,
    title: scenario.title,
    against: scenario.against,
    target: scenario.target,
    ours: oursTimings,
    theirs: theirsTimings,
    ratio,
    met:
      typeof scenario.target === "number"
        ? ratio <= scenario.target
        : oursTimings.p50 <= scenario.target.ms,
  };
}

async function time(comparison: Comparison, side: "ours" | "theirs"): Promise<number> {
  await comparison.before?.[side]?.();
  const startedAt = performance.now();
  const cleanUp = await comparison[side]();
  const elapsed = performance.now() - startedAt;
  await cleanUp?.();
  return elapsed;
}

function timings(samples: readonly number[]): Timings {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (quantile: number): number =>
    sorted[Math.min(sorted.length - 1, Math.ceil(quantile * sorted.length) - 1)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), samples };
}
