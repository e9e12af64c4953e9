import { expect, test } from "vitest";
import type { CacheRef } from "./cache-ref.js";
import { resolveCache, type CacheObservation } from "./resolve-cache.js";

const local: CacheRef = { type: "local", ref: "/c", direction: "import", plane: "local" };
const own: CacheRef = { type: "registry", ref: "r/c:own", direction: "import", plane: "external" };
const main: CacheRef = {
  type: "registry",
  ref: "r/c:main",
  direction: "import",
  plane: "fallback",
};
const plan = {
  mode: "hybrid",
  imports: [local, own, main],
  exports: [
    { ...local, direction: "export" },
    { ...own, direction: "export" },
  ],
} as const;

const observed = (over: Partial<CacheObservation>): CacheObservation => ({
  imports: [],
  exports: [],
  steps: 4,
  cachedSteps: 0,
  ...over,
});

test("what was found and used is a hit, what was not there a miss, what nobody asked skipped", () => {
  expect(
    resolveCache({
      plan,
      observed: observed({
        builder: "b",
        imports: [
          { ref: "r/c:own", found: false },
          { ref: "r/c:main", found: true },
        ],
        exports: [{ ref: "r/c:own", outcome: "refused", reason: "unknown cache exporter" }],
        cachedSteps: 3,
      }),
    }),
  ).toEqual({
    mode: "hybrid",
    local: "skipped",
    external: "miss",
    fallback: "hit",
    result: "hit",
    builder: "b",
    imports: [
      { ref: "/c", verdict: "skipped" },
      { ref: "r/c:own", verdict: "miss" },
      { ref: "r/c:main", verdict: "hit" },
    ],
    exports: [
      { ref: "/c", outcome: "skipped" },
      { ref: "r/c:own", outcome: "refused", reason: "unknown cache exporter" },
    ],
  });
});

test("a cache that was found and gave nothing is a miss", () => {
  const resolution = resolveCache({
    plan,
    observed: observed({ imports: [{ ref: "r/c:own", found: true }] }),
  });
  expect(resolution).toMatchObject({ external: "miss", result: "miss" });
});

test("steps the builder had by itself are a hit of no import", () => {
  const resolution = resolveCache({ plan, observed: observed({ cachedSteps: 4 }) });
  expect(resolution).toMatchObject({ local: "skipped", external: "skipped", result: "hit" });
});

test("one hit among several fallbacks is a hit; a build without steps tells nothing", () => {
  const two = { ...plan, imports: [main, { ...main, ref: "r/c:dev" }] };
  expect(
    resolveCache({
      plan: two,
      observed: observed({
        cachedSteps: 1,
        imports: [
          { ref: "r/c:main", found: false },
          { ref: "r/c:dev", found: true },
        ],
      }),
    }).fallback,
  ).toBe("hit");
  expect(resolveCache({ plan: two, observed: observed({ steps: 0 }) }).result).toBe("skipped");
});

test("refs of the caller are sorted into their place by what they are", () => {
  const strip = ({ type, ref, direction }: CacheRef): CacheRef => ({ type, ref, direction });
  const resolution = resolveCache({
    plan: { mode: "hybrid", imports: plan.imports.map(strip), exports: plan.exports.map(strip) },
    observed: observed({
      cachedSteps: 1,
      imports: plan.imports.map(({ ref }) => ({ ref, found: ref !== "r/c:own" })),
    }),
  });
  expect(resolution).toMatchObject({ local: "hit", external: "miss", fallback: "hit" });
});
