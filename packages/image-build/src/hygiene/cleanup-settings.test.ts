import { describe, expect, it } from "vitest";
import { cleanupSettingsFromEnv, parseCleanupSettings } from "./cleanup-settings.js";

const HOUR = 3_600_000;
const GIB = 1024 ** 3;

const DEFAULTS = {
  enabled: false,
  enforcement: "best_effort",
  trigger: { minFreeBytes: undefined, minFreePercent: undefined },
  policy: {
    danglingOlderThanMs: 72 * HOUR,
    unreferencedOlderThanMs: 72 * HOUR,
    buildCacheOlderThanMs: 72 * HOUR,
    buildCacheKeepBytes: 20 * GIB,
    exitedOlderThanMs: 72 * HOUR,
    unusedNetworks: true,
    protectedRefs: [],
    protectedLabels: [],
    protectNamedVolumes: true,
    scope: [],
  },
};

describe("clean-up settings", () => {
  it("have their defaults when nothing is said", () => {
    expect(parseCleanupSettings({})).toEqual(DEFAULTS);
    expect(cleanupSettingsFromEnv({})).toEqual(DEFAULTS);
    expect(cleanupSettingsFromEnv({ MOLECULE_CLEANUP: " ", MOLECULE_CLEANUP_PROTECT: "" })).toEqual(
      DEFAULTS,
    );
  });

  it("are read from a configuration, and an empty rule is none", () => {
    const settings = parseCleanupSettings({
      enabled: true,
      enforcement: "required",
      trigger: { min_free: "10GiB", min_free_percent: 15 },
      protect: { images: { refs: ["prod/*"] }, labels: ["keep"], volumes: { named: false } },
      prune: {
        images: { dangling: { older_than: "1h" }, unreferenced: { older_than: "" } },
        build_cache: { older_than: "7d", keep_storage: "" },
        networks: { unused: false },
      },
    });
    expect(settings).toEqual({
      enabled: true,
      enforcement: "required",
      trigger: { minFreeBytes: 10 * GIB, minFreePercent: 15 },
      policy: {
        ...DEFAULTS.policy,
        danglingOlderThanMs: HOUR,
        unreferencedOlderThanMs: undefined,
        buildCacheOlderThanMs: 168 * HOUR,
        buildCacheKeepBytes: undefined,
        unusedNetworks: false,
        protectedRefs: ["prod/*"],
        protectedLabels: ["keep"],
        protectNamedVolumes: false,
      },
    });
  });

  it("are read from the environment", () => {
    const settings = cleanupSettingsFromEnv({
      MOLECULE_CLEANUP: "on",
      MOLECULE_CLEANUP_OLDER_THAN: "1.5d",
      MOLECULE_CLEANUP_KEEP_CACHE: "1.5GB",
      MOLECULE_CLEANUP_PROTECT: "prod/*  base:1",
      MOLECULE_CLEANUP_PROTECT_LABELS: "keep team=x",
      MOLECULE_CLEANUP_ENFORCEMENT: "required",
      MOLECULE_CLEANUP_MIN_FREE: "5GB",
    });
    expect(settings).toMatchObject({
      enabled: true,
      enforcement: "required",
      trigger: { minFreeBytes: 5 * GIB },
      policy: {
        danglingOlderThanMs: 36 * HOUR,
        exitedOlderThanMs: 36 * HOUR,
        buildCacheOlderThanMs: 36 * HOUR,
        buildCacheKeepBytes: 1.5 * GIB,
        protectedRefs: ["prod/*", "base:1"],
        protectedLabels: ["keep", "team=x"],
      },
    });
  });

  it.each([
    [{ enforcement: "maybe" }, "enforcement"],
    [{ prune: { images: { danglin: {} } } }, "prune.images"],
    [{ protect: { images: { refs: "prod/*" } } }, "protect.images.refs"],
    [{ trigger: { min_free_percent: 100 } }, "trigger.min_free_percent"],
    ["text", "The clean-up settings"],
    [undefined, "The clean-up settings"],
  ])("%j is refused by its path", (config, path) => {
    expect(() => parseCleanupSettings(config)).toThrow(
      expect.objectContaining({
        code: "ERR_BUILD_SETTINGS",
        message: expect.stringContaining(path) as string,
      }),
    );
  });

  it.each([
    [{ prune: { containers: { exited: { older_than: "soon" } } } }, "ERR_BUILD_UNIT"],
    [{ prune: { build_cache: { keep_storage: "10 apples" } } }, "ERR_BUILD_UNIT"],
    [{ protect: { images: { refs: ["base["] } } }, "ERR_BUILD_SETTINGS"],
  ])("%j is refused", (config, code) => {
    expect(() => parseCleanupSettings(config)).toThrow(expect.objectContaining({ code }));
  });

  it("are on or off", () => {
    expect(() => cleanupSettingsFromEnv({ MOLECULE_CLEANUP: "maybe" })).toThrow("MOLECULE_CLEANUP");
  });
});
