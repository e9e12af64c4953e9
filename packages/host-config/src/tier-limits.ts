import type { Warning } from "@molecule-ai/core";
import { type Tier, TIERS } from "./tier.js";

/** What one tier may use. */
export interface TierLimit {
  readonly memoryBytes: number;
  /** Billionths of a CPU. */
  readonly nanoCpus: number;
  /** Processes and threads together; undefined is no limit of ours. */
  readonly pidsLimit: number | undefined;
  /** OCI runtime by its name in the engine; undefined is the engine's default. */
  readonly runtime: string | undefined;
}

export type TierLimits = Readonly<Record<Tier, TierLimit>>;

export interface TierLimitsResult {
  readonly limits: TierLimits;
  /** One for every setting that could not be taken as it is. */
  readonly warnings: readonly Warning[];
}

const MIB = 1024 * 1024;

interface Quantity {
  /** What follows `TIERn_` in the name of the variable. */
  readonly variable: string;
  readonly what: string;
  readonly defaults: Readonly<Record<Tier, number>>;
  /** The engine refuses less, or we could not count more exactly. */
  readonly least: number;
  readonly most: number;
}

const MEMORY: Quantity = {
  variable: "MEMORY_MB",
  what: "memory in MiB",
  defaults: { 1: 512, 2: 512, 3: 2048, 4: 4096 },
  least: 6,
  most: Math.floor(Number.MAX_SAFE_INTEGER / MIB),
};

const CPU: Quantity = {
  variable: "CPU_SHARES",
  what: "CPU shares of 1/1024 CPU",
  defaults: { 1: 1024, 2: 1024, 3: 2048, 4: 4096 },
  // The engine wants a hundredth of a CPU at least.
  least: 11,
  most: Math.floor(Number.MAX_SAFE_INTEGER / 1e9),
};

const PIDS: Quantity = {
  variable: "PIDS_LIMIT",
  what: "processes and threads",
  defaults: { 1: 512, 2: 1024, 3: 4096, 4: Number.POSITIVE_INFINITY },
  least: 1,
  most: 2 ** 31 - 1,
};

/**
 * Limits of all tiers. `TIERn_MEMORY_MB`, `TIERn_CPU_SHARES` (1024 is one CPU) and
 * `TIERn_PIDS_LIMIT` count when they are whole numbers the engine can take, otherwise the default
 * stays and a warning says so. `TIERn_RUNTIME` names the OCI runtime of a tier.
 *
 * A tier never gets more than the tier above it. What was set is an upper bound that nothing
 * exceeds, so a lower tier comes down to it; what was not set gives way: a default goes up to the
 * tier below, or down to the tier above. Each change is a warning.
 */
export function tierLimitsFromEnv(
  env: Readonly<Record<string, string | undefined>>,
): TierLimitsResult {
  const warnings: Warning[] = [];
  const memory = readQuantity(MEMORY, env, warnings);
  const cpu = readQuantity(CPU, env, warnings);
  const pids = readQuantity(PIDS, env, warnings);
  const limitOf = (tier: Tier): TierLimit => {
    const runtime = env[`TIER${tier}_RUNTIME`];
    return {
      memoryBytes: memory[tier] * MIB,
      nanoCpus: Math.floor((cpu[tier] * 1e9) / 1024),
      pidsLimit: Number.isFinite(pids[tier]) ? pids[tier] : undefined,
      runtime: runtime === undefined || runtime === "" ? undefined : runtime,
    };
  };
  return { limits: { 1: limitOf(1), 2: limitOf(2), 3: limitOf(3), 4: limitOf(4) }, warnings };
}

function readQuantity(
  quantity: Quantity,
  env: Readonly<Record<string, string | undefined>>,
  warnings: Warning[],
): Readonly<Record<Tier, number>> {
  const explicit: Partial<Record<Tier, number>> = {};
  for (const tier of TIERS) {
    const name = `TIER${tier}_${quantity.variable}`;
    const text = env[name];
    if (text === undefined || text === "") continue;
    const value = /^\+?\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= quantity.least && value <= quantity.most) {
      explicit[tier] = value;
      continue;
    }
    warnings.push({
      type: "warning",
      code: "WARN_TIER_LIMIT_IGNORED",
      message: `${name}=${JSON.stringify(text.slice(0, 40))} is ignored, the default ${printed(quantity.defaults[tier])} stays.`,
      hint: `Set it to a whole number (${quantity.what}) from ${quantity.least} to ${quantity.most}.`,
    });
  }
  return inOrder(quantity, explicit, warnings);
}

function inOrder(
  quantity: Quantity,
  explicit: Readonly<Partial<Record<Tier, number>>>,
  warnings: Warning[],
): Readonly<Record<Tier, number>> {
  const values = { ...quantity.defaults };
  let below = 0;
  for (const tier of TIERS) {
    const given = explicit[tier] ?? quantity.defaults[tier];
    const wanted = explicit[tier] ?? Math.max(given, below);
    const ceiling = Math.min(
      ...TIERS.filter((higher) => higher > tier).map(
        (higher) => explicit[higher] ?? Number.POSITIVE_INFINITY,
      ),
    );
    const value = Math.min(wanted, ceiling);
    values[tier] = value;
    below = value;
    if (value === given) continue;
    const lowered = value < given;
    warnings.push({
      type: "warning",
      code: lowered ? "WARN_TIER_LIMIT_LOWERED" : "WARN_TIER_LIMIT_RAISED",
      message: `Tier ${tier}: ${quantity.what} ${lowered ? "lowered" : "raised"} from ${printed(given)} to ${value}, because ${lowered ? "a higher tier may not have less" : "a lower tier may not have more"}.`,
      hint: `Set TIER1_${quantity.variable} to TIER4_${quantity.variable} in ascending order.`,
    });
  }
  return values;
}

function printed(value: number): string {
  return Number.isFinite(value) ? String(value) : "unlimited";
}
