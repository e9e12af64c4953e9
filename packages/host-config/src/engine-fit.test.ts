import { describe, expect, it } from "vitest";
import { assertRuntimeAvailable, fitToEngine } from "./engine-fit.js";
import { tierHostConfig } from "./tier-host-config.js";
import { tierLimitsFromEnv } from "./tier-limits.js";
import type { Tier } from "./tier.js";

const hostConfigOf = (
  tier: Tier,
  env: Record<string, string> = {},
): ReturnType<typeof tierHostConfig> =>
  tierHostConfig({
    tier,
    limits: tierLimitsFromEnv(env).limits,
    binds: { configs: "c:/configs" },
    networkName: "net",
  });

describe("fitToEngine", () => {
  it("lowers the CPUs to what the engine has, since it refuses more, and says so", () => {
    const hostConfig = hostConfigOf(4);
    const fitted = fitToEngine(hostConfig, { cpus: 2, runtimes: ["runc"] });
    expect(fitted.hostConfig).toEqual({ ...hostConfig, NanoCpus: 2e9 });
    expect(fitted.warnings).toMatchObject([{ code: "WARN_TIER_CPUS_LOWERED" }]);
  });

  it("changes nothing that fits", () => {
    const hostConfig = hostConfigOf(4);
    for (const cpus of [4, 64, 0]) {
      expect(fitToEngine(hostConfig, { cpus, runtimes: [] })).toEqual({ hostConfig, warnings: [] });
    }
  });

  it("refuses a tier whose OCI runtime the engine lacks: it would run with less isolation", () => {
    const hostConfig = hostConfigOf(1, { TIER1_RUNTIME: "runsc" });
    expect(() => fitToEngine(hostConfig, { cpus: 2, runtimes: ["runc"] })).toThrow(
      expect.objectContaining({ code: "ERR_HOST_CONFIG_RUNTIME_MISSING" }),
    );
    expect(
      fitToEngine(hostConfig, { cpus: 2, runtimes: ["runc", "runsc"] }).hostConfig.Runtime,
    ).toBe("runsc");
  });
});

describe("assertRuntimeAvailable", () => {
  it("takes the engine's default", () => {
    expect(() => {
      assertRuntimeAvailable(undefined, []);
    }).not.toThrow();
  });

  it("says what the engine has", () => {
    expect(() => {
      assertRuntimeAvailable("runsc", ["runc", "crun"]);
    }).toThrow(
      expect.objectContaining({
        hint: expect.stringContaining("crun, runc") as string,
        details: { runtime: "runsc", available: ["runc", "crun"] },
      }),
    );
  });
});
