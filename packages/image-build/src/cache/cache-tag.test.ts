import fc from "fast-check";
import { expect, test } from "vitest";
import {
  buildCacheTag,
  cacheTagScope,
  formatCacheTag,
  isCacheTag,
  parseCacheTag,
} from "./cache-tag.js";

const TAG = /^\w[\w.-]{0,127}$/;

const anyTag = fc
  .record({
    prefix: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,40}$/),
    repositoryId: fc.string({ unit: "binary" }),
    branch: fc.string({ unit: "binary", maxLength: 300 }),
  })
  .filter(({ prefix }) => !/-[0-9a-f]{8}(-|$)/.test(prefix));

test("every tag is one that registries take, and reads back as it was built", () => {
  fc.assert(
    fc.property(anyTag, (options) => {
      const tag = buildCacheTag(options);
      const text = formatCacheTag(tag);
      expect(text).toMatch(TAG);
      expect(parseCacheTag(text)).toEqual(tag);
      expect(isCacheTag(text, cacheTagScope(tag))).toBe(true);
    }),
  );
});

test("branches that read alike, or alike up to where a tag ends, have tags of their own", () => {
  const tag = (branch: string): string =>
    formatCacheTag(buildCacheTag({ prefix: "cache", repositoryId: "org/app", branch }));
  const long = "feature/".padEnd(400, "x");
  expect(tag("feature/a-b")).not.toBe(tag("feature-a/b"));
  expect(tag(long)).not.toBe(tag(`${long}y`));
  expect(tag(long)).toHaveLength(128);
  expect(tag(long)).toBe(tag(long));
});

test.each(["cache-deadbeef", "a-b-01234567-c", "team/app", "-x", "a b", "x".repeat(65), "é"])(
  "the prefix %j is refused",
  (prefix) => {
    expect(() => buildCacheTag({ prefix, repositoryId: "org/app", branch: "main" })).toThrow(
      expect.objectContaining({ code: "ERR_BUILD_CACHE_SETTINGS" }),
    );
  },
);

test("a prefix that is itself 8 hex digits is read right", () => {
  const tag = buildCacheTag({ prefix: "deadbeef", repositoryId: "org/app", branch: "main" });
  expect(parseCacheTag(formatCacheTag(tag))).toEqual(tag);
});

test("any text is parsed or none of ours, and quickly", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string({ unit: "binary" }), fc.stringMatching(/^[a-f0-9-]{0,128}$/)),
      (text) => {
        const tag = parseCacheTag(text);
        if (tag !== undefined) expect(formatCacheTag(tag)).toBe(text);
      },
    ),
  );
  const started = performance.now();
  parseCacheTag("-".repeat(1e7));
  expect(performance.now() - started).toBeLessThan(15_000);
});
