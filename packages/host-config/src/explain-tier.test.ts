import { describe, expect, it } from "vitest";
import { explainTier } from "./explain-tier.js";
import { tierHostConfig } from "./tier-host-config.js";
import { tierLimitsFromEnv } from "./tier-limits.js";
import { type Tier, TIERS } from "./tier.js";

const valuesOf = (tier: Tier, env: Record<string, string> = {}): Record<string, string> =>
  Object.fromEntries(
    explainTier(tier, tierLimitsFromEnv(env).limits).map(({ field, value }) => [field, value]),
  );

describe("explainTier", () => {
  it("has the same rows for every tier, and a sentence in each", () => {
    const tables = TIERS.map((tier) => explainTier(tier, tierLimitsFromEnv({}).limits));
    const fields = tables.map((rows) => rows.map(({ field }) => field).join(" "));
    expect(new Set(fields).size).toBe(1);
    for (const { value, meaning } of tables.flat()) {
      expect(value).not.toBe("");
      expect(meaning).toMatch(/^[A-Z].*\.$/);
    }
  });

  it("leaves out nothing a tier sets but what its neighbour says", () => {
    for (const tier of TIERS) {
      const { limits } = tierLimitsFromEnv({ TIER1_RUNTIME: "runsc" });
      const hostConfig = tierHostConfig({
        tier,
        limits,
        binds: { configs: "c:/configs" },
        networkName: "net",
      });
      const fields: string[] = explainTier(tier, limits).map(({ field }) => field);
      // CapDrop is told together with CapAdd.
      expect(fields).toEqual(
        expect.arrayContaining(Object.keys(hostConfig).filter((field) => field !== "CapDrop")),
      );
    }
  });

  it("says what a sandboxed workspace has", () => {
    expect(valuesOf(1)).toMatchObject({
      Binds: "/configs",
      ReadonlyRootfs: "yes",
      Privileged: "no",
      CapAdd: "CHOWN DAC_OVERRIDE FOWNER KILL SETGID SETUID",
      Memory: "512 MiB",
      NanoCpus: "1 CPU",
      PidsLimit: "512",
      Runtime: "engine default",
    });
  });

  it("says what a workspace with the full host has", () => {
    expect(valuesOf(4)).toMatchObject({
      Binds: "/configs /workspace /root/.claude/sessions /var/run/docker.sock",
      Privileged: "yes",
      CapAdd: "all",
      PidMode: "host",
      NetworkMode: "host",
      PortBindings: "-",
      PidsLimit: "unlimited",
    });
  });

  it("follows the limits it is given", () => {
    expect(valuesOf(2, { TIER2_MEMORY_MB: "700", TIER2_RUNTIME: "runsc" })).toMatchObject({
      Memory: "700 MiB",
      Runtime: "runsc",
    });
  });
});
