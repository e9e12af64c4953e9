import { renderSection, type SectionRow } from "../render/section.js";
import type { CacheRef } from "./cache-ref.js";
import type { CachePlan } from "./plan-cache.js";

/** The cache of all steps of a build, for people. */
export interface CacheInfo {
  readonly mode: string;
  readonly branch: string | undefined;
  readonly fallbacks: readonly string[];
  /** Distinct, nearest first. */
  readonly imports: readonly string[];
  readonly exports: readonly string[];
  readonly skipped: CachePlan["skipped"];
}

/** Brings the plans of one or more steps together; mode and branches are those of the first. */
export function resolveCacheInfo(plans: readonly CachePlan[]): CacheInfo {
  const refs = (pick: (plan: CachePlan) => readonly CacheRef[]): readonly string[] => [
    ...new Set(plans.flatMap((plan) => pick(plan).map((item) => item.ref || item.type))),
  ];
  return {
    mode: plans[0]?.mode ?? "off",
    branch: plans[0]?.branch,
    fallbacks: plans[0]?.fallbacks ?? [],
    imports: refs((plan) => plan.imports),
    exports: refs((plan) => plan.exports),
    skipped: plans[0]?.skipped ?? [],
  };
}

/** The section `Cache` of a report. Refs are listed in the order they are asked in. */
export function renderCacheInfo(
  info: CacheInfo,
  options: { readonly color?: boolean } = {},
): string {
  if (info.mode === "off") return renderSection("Cache", [row("mode", "off")], options);
  return renderSection(
    "Cache",
    [
      row("mode", info.mode),
      ...(info.branch === undefined ? [] : [row("branch", info.branch)]),
      ...info.fallbacks.map((name) => row("fallback", name)),
      ...info.imports.map((ref) => row("import", ref)),
      ...info.exports.map((ref) => row("export", ref)),
      ...info.skipped.map(({ plane, reason }): SectionRow => ({
        label: plane,
        value: reason,
        status: "warning",
      })),
    ],
    options,
  );
}

function row(label: string, value: string): SectionRow {
  return { label, value };
}
