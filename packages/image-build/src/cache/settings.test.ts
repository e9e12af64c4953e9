import fc from "fast-check";
import { expect, test } from "vitest";
import { cacheSettingsFromEnv } from "./settings.js";

const host = { homeDir: "/home/me" };
const DAY = 86_400_000;

test("nothing set: no cache beside the builder's own, and the usual retention", () => {
  expect(cacheSettingsFromEnv({}, host)).toEqual({
    mode: "off",
    local: {
      root: "/home/me/.cache/molecule/build-cache",
      mount: undefined,
      retention: { maxAgeMs: 7 * DAY, maxBytes: 15 * 1024 ** 3 },
    },
    external: {
      repository: undefined,
      tagPrefix: "cache",
      exportMode: "max",
      fallbacks: [],
      retention: { maxRefs: 20, staleAgeMs: 14 * DAY },
    },
  });
});

test("without a mode it follows from what is named", () => {
  const mode = (env: Record<string, string>): string => cacheSettingsFromEnv(env, host).mode;
  const ref = { MOLECULE_BUILD_CACHE_REF: "cr.example.com/cache" };
  const directory = { MOLECULE_BUILD_CACHE_DIR: "/mnt/cache" };
  expect(mode(ref)).toBe("shared");
  expect(mode(directory)).toBe("local");
  expect(mode({ ...ref, ...directory })).toBe("hybrid");
  expect(mode({ ...ref, ...directory, MOLECULE_BUILD_CACHE: "off" })).toBe("off");
});

test("everything set is read, and a directory of our own must have a parent", () => {
  const settings = cacheSettingsFromEnv(
    {
      MOLECULE_BUILD_CACHE: "hybrid",
      MOLECULE_BUILD_CACHE_DIR: "/mnt/cache/",
      MOLECULE_BUILD_CACHE_REF: "cr.example.com:5000/team/cache",
      MOLECULE_BUILD_CACHE_PREFIX: "ci",
      MOLECULE_BUILD_CACHE_EXPORT: "min",
      MOLECULE_BUILD_CACHE_FALLBACK: " develop  main ",
      MOLECULE_BUILD_CACHE_MAX_AGE: "1.5d",
      MOLECULE_BUILD_CACHE_MAX_SIZE: "10GiB",
      MOLECULE_BUILD_CACHE_MAX_REFS: "0",
      MOLECULE_BUILD_CACHE_STALE_AGE: "0",
    },
    host,
  );
  expect(settings.local).toMatchObject({ mount: "/mnt", retention: { maxAgeMs: 1.5 * DAY } });
  expect(settings.external).toEqual({
    repository: "cr.example.com:5000/team/cache",
    tagPrefix: "ci",
    exportMode: "min",
    fallbacks: ["develop", "main"],
    retention: { maxRefs: 0, staleAgeMs: 0 },
  });
});

test("a wrong mode is an error that names the closest", () => {
  expect(() => cacheSettingsFromEnv({ MOLECULE_BUILD_CACHE: "hybird" }, host)).toThrow(
    expect.objectContaining({
      code: "ERR_BUILD_CACHE_SETTINGS",
      hint: expect.stringContaining("Did you mean hybrid?"),
    }),
  );
});

test.each([
  [{ MOLECULE_BUILD_CACHE: "shared" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_DIR: "cache" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_REF: "cr.example.com/a:tag" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_REF: "cr.example.com" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_REF: "https://cr.example.com/a" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_PREFIX: "team/app" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_PREFIX: "cache-deadbeef" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_EXPORT: "all" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_MAX_REFS: "many" }, "ERR_BUILD_CACHE_SETTINGS"],
  [{ MOLECULE_BUILD_CACHE_MAX_SIZE: "lots" }, "ERR_BUILD_UNIT"],
  [{ MOLECULE_BUILD_CACHE_STALE_AGE: "soon" }, "ERR_BUILD_UNIT"],
])("%j is refused with %s", (env, code) => {
  expect(() => cacheSettingsFromEnv(env, host)).toThrow(expect.objectContaining({ code }));
});

test("any values are settings or one of the two refusals", () => {
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.constantFrom("", "_DIR", "_REF", "_PREFIX", "_EXPORT", "_FALLBACK", "_MAX_AGE"),
        fc.string({ unit: "binary" }),
      ),
      (values) => {
        const env = Object.fromEntries(
          Object.entries(values).map(([name, value]) => [`MOLECULE_BUILD_CACHE${name}`, value]),
        );
        try {
          cacheSettingsFromEnv(env, host);
        } catch (error) {
          expect(["ERR_BUILD_CACHE_SETTINGS", "ERR_BUILD_UNIT"]).toContain(
            (error as { code?: unknown }).code,
          );
        }
      },
    ),
  );
});
