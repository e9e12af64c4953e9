import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tierLimitsFromEnv } from "./tier-limits.js";
import { TIERS } from "./tier.js";

const MIB = 1024 * 1024;
const codes = (env: Record<string, string>): string[] =>
  tierLimitsFromEnv(env).warnings.map(({ code }) => code);

describe("tierLimitsFromEnv", () => {
  it("has a limit for every tier, the sandboxed one too", () => {
    const { limits, warnings } = tierLimitsFromEnv({});
    expect(TIERS.map((tier) => limits[tier].memoryBytes / MIB)).toEqual([512, 512, 2048, 4096]);
    expect(TIERS.map((tier) => limits[tier].nanoCpus)).toEqual([1e9, 1e9, 2e9, 4e9]);
    expect(TIERS.map((tier) => limits[tier].pidsLimit)).toEqual([512, 1024, 4096, undefined]);
    expect(TIERS.map((tier) => limits[tier].runtime)).toEqual(TIERS.map(() => undefined));
    expect(warnings).toEqual([]);
  });

  it("takes whole numbers above zero", () => {
    expect(tierLimitsFromEnv({ TIER3_MEMORY_MB: "512" }).limits[3].memoryBytes).toBe(512 * MIB);
    expect(tierLimitsFromEnv({ TIER3_CPU_SHARES: "4096" }).limits[3].nanoCpus).toBe(4e9);
    expect(tierLimitsFromEnv({ TIER3_CPU_SHARES: "+3072" }).limits[3].nanoCpus).toBe(3e9);
    expect(tierLimitsFromEnv({ TIER2_PIDS_LIMIT: "700" }).limits[2].pidsLimit).toBe(700);
  });

  it("turns shares into whole nanocpus", () => {
    expect(tierLimitsFromEnv({ TIER1_CPU_SHARES: "100" }).limits[1].nanoCpus).toBe(97656250);
    expect(tierLimitsFromEnv({ TIER1_CPU_SHARES: "77" }).limits[1].nanoCpus).toBe(75195312);
  });

  it.each([
    "not-a-number",
    "0",
    "-5",
    "1.5",
    " 512",
    "512MB",
    "0x200",
    "1e3",
    "99999999999999999999",
  ])("keeps the default for %j and says so", (text) => {
    const { limits, warnings } = tierLimitsFromEnv({
      TIER3_MEMORY_MB: text,
      TIER3_CPU_SHARES: text,
      TIER3_PIDS_LIMIT: text,
    });
    expect(limits[3]).toEqual(tierLimitsFromEnv({}).limits[3]);
    expect(warnings.map(({ code }) => code)).toEqual([
      "WARN_TIER_LIMIT_IGNORED",
      "WARN_TIER_LIMIT_IGNORED",
      "WARN_TIER_LIMIT_IGNORED",
    ]);
    expect(warnings[0]?.message).toContain("TIER3_MEMORY_MB");
  });

  it("keeps the default for less than an engine takes", () => {
    expect(tierLimitsFromEnv({ TIER1_MEMORY_MB: "5" }).limits[1].memoryBytes).toBe(512 * MIB);
    expect(tierLimitsFromEnv({ TIER1_CPU_SHARES: "10" }).limits[1].nanoCpus).toBe(1e9);
  });

  it("takes an empty variable for none", () => {
    expect(codes({ TIER2_MEMORY_MB: "", TIER2_RUNTIME: "" })).toEqual([]);
    expect(tierLimitsFromEnv({ TIER2_RUNTIME: "" }).limits[2].runtime).toBeUndefined();
  });

  it("takes an OCI runtime for one tier", () => {
    const { limits } = tierLimitsFromEnv({ TIER1_RUNTIME: "runsc" });
    expect(TIERS.map((tier) => limits[tier].runtime)).toEqual([
      "runsc",
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("raises the default of a higher tier to what a lower tier was given", () => {
    const { limits, warnings } = tierLimitsFromEnv({ TIER3_MEMORY_MB: "8192" });
    expect(limits[3].memoryBytes).toBe(8192 * MIB);
    expect(limits[4].memoryBytes).toBe(8192 * MIB);
    expect(warnings).toMatchObject([{ code: "WARN_TIER_LIMIT_RAISED" }]);
    expect(warnings[0]?.message).toContain("Tier 4");
  });

  it("lowers a tier to what a higher tier was given, and never exceeds a number that was set", () => {
    const { limits, warnings } = tierLimitsFromEnv({
      TIER1_MEMORY_MB: "4096",
      TIER2_MEMORY_MB: "1024",
    });
    expect(limits[1].memoryBytes).toBe(1024 * MIB);
    expect(limits[2].memoryBytes).toBe(1024 * MIB);
    expect(warnings).toMatchObject([{ code: "WARN_TIER_LIMIT_LOWERED" }]);
    expect(warnings[0]?.message).toContain("from 4096 to 1024");
  });

  it("gives an unlimited tier its limit when one is set", () => {
    const { limits } = tierLimitsFromEnv({ TIER4_PIDS_LIMIT: "100" });
    expect(TIERS.map((tier) => limits[tier].pidsLimit)).toEqual([100, 100, 100, 100]);
  });

  it("gives no tier more than the tier above, exceeds nothing that was set, and reports each change", () => {
    const number = fc.oneof(fc.integer({ min: -2, max: 20_000 }).map(String), fc.string());
    const name = fc
      .tuple(fc.constantFrom(...TIERS), fc.constantFrom("MEMORY_MB", "CPU_SHARES", "PIDS_LIMIT"))
      .map(([tier, quantity]) => `TIER${tier}_${quantity}`);
    fc.assert(
      fc.property(fc.dictionary(name, number), (env) => {
        const { limits, warnings } = tierLimitsFromEnv(env);
        for (const tier of TIERS) {
          const { memoryBytes, nanoCpus, pidsLimit = Number.POSITIVE_INFINITY } = limits[tier];
          const above = limits[Math.min(tier + 1, 4) as 1 | 2 | 3 | 4];
          expect(memoryBytes).toBeLessThanOrEqual(above.memoryBytes);
          expect(nanoCpus).toBeLessThanOrEqual(above.nanoCpus);
          expect(pidsLimit).toBeLessThanOrEqual(above.pidsLimit ?? Number.POSITIVE_INFINITY);
          expect([memoryBytes, nanoCpus].every((value) => Number.isSafeInteger(value))).toBe(true);

          const set = env[`TIER${tier}_MEMORY_MB`] ?? "";
          if (!/^\+?\d+$/.test(set) || Number(set) < 6) continue;
          expect(memoryBytes / MIB).toBeLessThanOrEqual(Number(set));
          const reported = warnings.some(({ message }) =>
            message.startsWith(`Tier ${tier}: memory`),
          );
          expect(reported).toBe(memoryBytes / MIB !== Number(set));
        }
      }),
    );
  });
});
