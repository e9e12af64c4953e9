import type { CachePlane, CacheRef, CacheResolution, CacheVerdict } from "./cache-ref.js";
import type { CachePlan } from "./plan-cache.js";

/** What a build showed of its cache. */
export interface CacheObservation {
  /** Of the builder that was used. */
  readonly builder?: string | undefined;
  /** Imports the builder tried; one that is not named here was not tried. */
  readonly imports: readonly {
    /** As in the plan. */
    readonly ref: string;
    /** A cache was found there and read. */
    readonly found: boolean;
  }[];
  readonly exports: readonly {
    readonly ref: string;
    readonly outcome: "exported" | "refused" | "skipped";
    readonly reason?: string | undefined;
  }[];
  /** Steps that could have come from a cache. */
  readonly steps: number;
  /** Those of them that did. */
  readonly cachedSteps: number;
}

/**
 * What the cache did for one build. An import is a `hit` when it was found and steps came from
 * caches, a `miss` when it was not found or gave nothing, `skipped` when nobody asked it. Which of
 * several imports that were found gave a step, or whether the builder had it by itself, BuildKit does
 * not tell.
 */
export function resolveCache(options: {
  readonly plan: Pick<CachePlan, "mode" | "imports" | "exports">;
  readonly observed: CacheObservation;
}): CacheResolution {
  const { plan, observed } = options;
  const found = new Map(observed.imports.map((item) => [item.ref, item.found]));
  const exported = new Map(observed.exports.map((item) => [item.ref, item]));
  const imports = plan.imports.map((item) => ({
    ref: item.ref,
    plane: planeOf(item, plan.exports),
    verdict: verdictOf(found.get(item.ref), observed.cachedSteps),
  }));
  const ofPlane = (plane: CachePlane): CacheVerdict =>
    best(imports.filter((item) => item.plane === plane).map((item) => item.verdict));
  return {
    mode: plan.mode,
    local: ofPlane("local"),
    external: ofPlane("external"),
    fallback: ofPlane("fallback"),
    result: observed.steps === 0 ? "skipped" : observed.cachedSteps > 0 ? "hit" : "miss",
    builder: observed.builder,
    imports: imports.map(({ ref, verdict }) => ({ ref, verdict })),
    exports: plan.exports.map(({ ref }) => exported.get(ref) ?? { ref, outcome: "skipped" }),
  };
}

function verdictOf(found: boolean | undefined, cachedSteps: number): CacheVerdict {
  if (found === undefined) return "skipped";
  return found && cachedSteps > 0 ? "hit" : "miss";
}

function best(verdicts: readonly CacheVerdict[]): CacheVerdict {
  return (["hit", "miss"] as const).find((verdict) => verdicts.includes(verdict)) ?? "skipped";
}

/** A ref the caller gave without saying what it is: what is also written is the branch's own. */
function planeOf(ref: CacheRef, exports: readonly CacheRef[]): CachePlane {
  if (ref.plane !== undefined) return ref.plane;
  if (ref.type === "local") return "local";
  return exports.some((other) => other.ref === ref.ref) ? "external" : "fallback";
}
