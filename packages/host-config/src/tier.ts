/** How much a workspace is trusted: 1 sandboxed, 2 standard, 3 privileged, 4 full host. */
export type Tier = 1 | 2 | 3 | 4;

export const TIERS: readonly Tier[] = [1, 2, 3, 4];

/** The tier of whoever asks for none, or for one that does not exist. */
export const DEFAULT_TIER: Tier = 2;

export const TIER_NAMES: Readonly<Record<Tier, string>> = {
  1: "sandboxed",
  2: "standard",
  3: "privileged",
  4: "full host",
};

/** The tier of a number, or of a text such as `3` or `T3`; undefined for anything else. */
export function parseTier(value: number | string): Tier | undefined {
  const text = String(value).trim().replace(/^t/i, "");
  return TIERS.find((tier) => String(tier) === text);
}

/** The tier really applied: 0, unknown and absent are the default tier, never a higher one. */
export function normaliseTier(value: number | string | undefined): Tier {
  return value === undefined ? DEFAULT_TIER : (parseTier(value) ?? DEFAULT_TIER);
}

/** True for the tiers that own the host in effect: 3 and 4. */
export function isPrivilegedTier(tier: Tier): boolean {
  return tier >= 3;
}
