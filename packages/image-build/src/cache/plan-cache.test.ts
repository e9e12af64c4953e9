import { expect, test } from "vitest";
import { planCache, type CachePlan } from "./plan-cache.js";
import { parseCacheSettings } from "./settings.js";

const identity = { repositoryId: "org/app", branch: "feature", defaultBranch: "main" };
const available = { kind: "available", directory: "/c/e3a12384ea7e3d36" } as const;
const unavailable = { kind: "unavailable", reason: "/c is read-only." } as const;

function plan(
  mode: string,
  text: object = {},
  local: typeof available | typeof unavailable = available,
): CachePlan {
  const settings = parseCacheSettings({ mode, repository: "cr.example.com/cache", ...text }, "/c");
  return planCache({ settings, identity, local });
}

const places = (refs: CachePlan["imports"]): readonly (string | undefined)[] =>
  refs.map((ref) => `${ref.plane} ${ref.type} ${ref.mode ?? ""}`.trim());

test("off: nothing", () => {
  expect(plan("off")).toMatchObject({ imports: [], exports: [], skipped: [] });
});

test("hybrid: from the disk, then the branch, then the default branch; to the disk and the branch", () => {
  const { imports, exports, skipped } = plan("hybrid", { exportMode: "min" });
  expect(places(imports)).toEqual(["local local", "external registry", "fallback registry"]);
  expect(places(exports)).toEqual(["local local max", "external registry min"]);
  expect(skipped).toEqual([]);
});

test("several fallbacks are asked in their order, each once, and never the branch itself", () => {
  const { imports, exports, fallbacks } = plan("shared", {
    fallbacks: "develop feature main develop",
  });
  expect(fallbacks).toEqual(["develop", "main"]);
  expect(places(imports)).toEqual(["external registry", "fallback registry", "fallback registry"]);
  expect(exports).toHaveLength(1);
});

test("a disk that cannot be written leaves the rest, and a reason", () => {
  const { imports, exports, skipped } = plan("hybrid", {}, unavailable);
  expect(places(imports)).toEqual(["external registry", "fallback registry"]);
  expect(places(exports)).toEqual(["external registry max"]);
  expect(skipped).toEqual([{ plane: "local", reason: "/c is read-only." }]);
});

test("hybrid without a repository is the local part, and a reason", () => {
  const { imports, skipped } = plan("hybrid", { repository: "" });
  expect(places(imports)).toEqual(["local local"]);
  expect(skipped).toEqual([
    { plane: "external", reason: expect.stringContaining("No repository") },
  ]);
});

test("a disk that has nothing to read yet is written all the same", () => {
  const settings = parseCacheSettings({ mode: "local" }, "/c");
  const { imports, exports, skipped } = planCache({
    settings,
    identity,
    local: { ...available, unreadable: "It is empty." },
  });
  expect([imports, places(exports)]).toEqual([[], ["local local max"]]);
  expect(skipped).toEqual([{ plane: "local", reason: "It is empty." }]);
});
