import type { Database } from "./server-process.js";

export interface Figure {
  readonly name: string;
  readonly value: string;
  /** As it was promised; undefined for a figure that is only reported. */
  readonly target?: string | undefined;
  readonly met?: boolean | undefined;
}

export interface LoadScenario {
  readonly id: string;
  readonly databases: readonly Database[];
  /** Why it cannot run here, or undefined. */
  readonly unavailable?: (() => Promise<string | undefined>) | undefined;
  run(database: Database): Promise<readonly Figure[]>;
}

export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? Number.NaN;
}

export function atMost(name: string, value: number, target: number, unit: string): Figure {
  return {
    name,
    value: `${value.toFixed(value < 100 ? 1 : 0)} ${unit}`,
    target: `≤ ${target} ${unit}`,
    met: value <= target,
  };
}

/** Runs `work` `count` times, `width` of them at once, and returns what each took in milliseconds. */
export async function timeEach(
  count: number,
  width: number,
  work: (index: number) => Promise<void>,
): Promise<number[]> {
  const samples: number[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < count) {
      const index = next;
      next += 1;
      const startedAt = performance.now();
      await work(index);
      samples.push(performance.now() - startedAt);
    }
  };
  await Promise.all(Array.from({ length: width }, lane));
  return samples;
}

export function expectStatus(answer: { status: number; body: unknown }, expected: number): void {
  if (answer.status !== expected) {
    throw new Error(`answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
}
