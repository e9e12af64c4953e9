import { describe, expect, test } from "vitest";
import { cacheKey, localBuildSettingsFromEnv } from "./index.js";

const HOST = { homeDir: "/home/me", tmpDir: "/tmp" };

describe("the cache directory", () => {
  test.each([
    [{ MOLECULE_LOCAL_BUILD_CACHE: "/c", XDG_CACHE_HOME: "/x" }, HOST, "/c", false],
    [
      { MOLECULE_LOCAL_BUILD_CACHE: "", XDG_CACHE_HOME: "/x" },
      HOST,
      "/x/molecule/workspace-template-build",
      false,
    ],
    [{}, HOST, "/home/me/.cache/molecule/workspace-template-build", false],
    [
      { XDG_CACHE_HOME: "relative" },
      HOST,
      "/home/me/.cache/molecule/workspace-template-build",
      false,
    ],
    [{}, { homeDir: "", tmpDir: "/tmp" }, "/tmp/molecule-workspace-template-build", true],
  ])("%j", (env, host, cacheDirectory, cacheMustBeOwned) => {
    expect(localBuildSettingsFromEnv(env, host)).toMatchObject({
      cacheDirectory,
      cacheMustBeOwned,
    });
  });

  test("that is relative is refused by name", () => {
    expect(() => localBuildSettingsFromEnv({ MOLECULE_LOCAL_BUILD_CACHE: "c" }, HOST)).toThrow(
      expect.objectContaining({
        code: "ERR_LOCAL_BUILD_SETTINGS",
        message: expect.stringContaining("MOLECULE_LOCAL_BUILD_CACHE"),
      }),
    );
  });
});

describe("numbers", () => {
  test("are taken in the unit their name says", () => {
    const settings = localBuildSettingsFromEnv(
      {
        MOLECULE_LOCAL_BUILD_TEMPLATE_MB: "2",
        MOLECULE_LOCAL_BUILD_TEMPLATE_FILES: "3",
        MOLECULE_LOCAL_BUILD_HEAD_TIMEOUT_SECONDS: "4",
        MOLECULE_LOCAL_BUILD_CHECKOUT_TIMEOUT_SECONDS: "5",
        MOLECULE_LOCAL_BUILD_TIMEOUT_SECONDS: "6",
        MOLECULE_LOCAL_BUILD_MAX_AGE_DAYS: "7",
        MOLECULE_LOCAL_BUILD_KEEP: "8",
        MOLECULE_LOCAL_BUILD_MAX_MB: "9",
      },
      HOST,
    );
    expect(settings).toMatchObject({
      limits: { templateBytes: 2 * 1024 * 1024, templateFiles: 3 },
      timeouts: { headMs: 4000, checkoutMs: 5000, buildMs: 6000 },
      collection: { maxAgeMs: 7 * 86_400_000, keepPerRuntime: 8, maxBytes: 9 * 1024 * 1024 },
    });
  });

  test.each(["0", "-1", "1.5", "ten", "1e3", " 5", "9999999999"])(
    "%j is refused by name",
    (text) => {
      const env = { MOLECULE_LOCAL_BUILD_KEEP: text };
      expect(() => localBuildSettingsFromEnv(env, HOST)).toThrow(/MOLECULE_LOCAL_BUILD_KEEP/);
    },
  );
});

describe("a shared cache", () => {
  const read = (env: Record<string, string>): string | undefined =>
    localBuildSettingsFromEnv(env, HOST).cacheRepository;

  test("is where a repository is named, unless it is switched off", () => {
    const ref = { MOLECULE_LOCAL_BUILD_CACHE_REF: "registry.example.com/team/cache" };
    expect(read({})).toBeUndefined();
    expect(read(ref)).toBe("registry.example.com/team/cache");
    expect(read({ ...ref, MOLECULE_LOCAL_BUILD_CACHE_MODE: "shared" })).toBe(
      "registry.example.com/team/cache",
    );
    expect(read({ ...ref, MOLECULE_LOCAL_BUILD_CACHE_MODE: "off" })).toBeUndefined();
    expect(read({ MOLECULE_LOCAL_BUILD_CACHE_REF: "" })).toBeUndefined();
  });

  test.each([
    [{ MOLECULE_LOCAL_BUILD_CACHE_REF: "registry.example.com/team/cache:tag" }, "CACHE_REF"],
    [{ MOLECULE_LOCAL_BUILD_CACHE_REF: "just-a-name" }, "CACHE_REF"],
    [{ MOLECULE_LOCAL_BUILD_CACHE_REF: "https://registry.example.com/x" }, "CACHE_REF"],
    [{ MOLECULE_LOCAL_BUILD_CACHE_MODE: "shared" }, "CACHE_MODE"],
    [{ MOLECULE_LOCAL_BUILD_CACHE_MODE: "hybrid" }, "CACHE_MODE"],
  ])("%j is refused by name", (env, name) => {
    expect(() => read(env)).toThrow(
      expect.objectContaining({
        code: "ERR_LOCAL_BUILD_SETTINGS",
        message: expect.stringContaining(`MOLECULE_LOCAL_BUILD_${name}`),
      }),
    );
  });
});

describe("the place where images are pushed", () => {
  test("is a registry prefix, or none", () => {
    const env = { MOLECULE_LOCAL_BUILD_PUSH: "registry.example.com:5000/team" };
    expect(localBuildSettingsFromEnv(env, HOST).pushPrefix).toBe("registry.example.com:5000/team");
    expect(localBuildSettingsFromEnv({}, HOST).pushPrefix).toBeUndefined();
  });

  test.each(["https://registry.example.com", "registry.example.com/", "Upper/Case", "a b"])(
    "%j is refused by name",
    (text) => {
      const env = { MOLECULE_LOCAL_BUILD_PUSH: text };
      expect(() => localBuildSettingsFromEnv(env, HOST)).toThrow(/MOLECULE_LOCAL_BUILD_PUSH/);
    },
  );
});

describe("git", () => {
  test("is found on PATH, named by MOLECULE_GIT_PATH, or switched off by its being empty", () => {
    expect(localBuildSettingsFromEnv({}, HOST).gitPath).toBe("git");
    expect(localBuildSettingsFromEnv({ MOLECULE_GIT_PATH: "/opt/git" }, HOST).gitPath).toBe(
      "/opt/git",
    );
    expect(localBuildSettingsFromEnv({ MOLECULE_GIT_PATH: "" }, HOST).gitPath).toBeUndefined();
  });

  test("gets PATH, proxies and certificates, and nothing else", () => {
    const env = { PATH: "/bin", https_proxy: "http://p", GIT_DIR: "/x", MOLECULE_GITEA_TOKEN: "t" };
    expect(localBuildSettingsFromEnv(env, HOST).gitEnv).toEqual({
      PATH: "/bin",
      https_proxy: "http://p",
    });
  });
});

test("a cache key is the first 16 hex digits of sha256 over runtime, commit and prefix", () => {
  expect(cacheKey("langgraph", "a".repeat(40), "https://h/o/p-")).toBe("a10e62ed53b3a62b");
});

describe("reproducible images", () => {
  const read = (text: string): boolean =>
    localBuildSettingsFromEnv({ MOLECULE_LOCAL_BUILD_REPRODUCIBLE: text }, HOST).rewriteTimestamps;

  test("are made when asked for", () => {
    expect(localBuildSettingsFromEnv({}, HOST).rewriteTimestamps).toBe(false);
    expect(["", "0", "false"].map(read)).toEqual([false, false, false]);
    expect(["1", "true"].map(read)).toEqual([true, true]);
  });

  test("are asked for by true or false, and nothing else", () => {
    expect(() => read("yes")).toThrow(/MOLECULE_LOCAL_BUILD_REPRODUCIBLE/);
  });
});
