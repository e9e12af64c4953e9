import type { BuildEvent } from "@molecule-ai/core";
import type { CacheMode } from "../cache/cache-mode.js";
import type { CacheRef, CacheResolution } from "../cache/cache-ref.js";
import { resolveCache } from "../cache/resolve-cache.js";
import type { BuildCache } from "../image-builder.js";

/** Remembers of a build's events what became of its caches. */
export interface CacheObserver {
  accept(event: BuildEvent): void;
  /** The builder took none of the exports; the build was repeated without. */
  refuseExports(reason: string): void;
  resolution(built: {
    readonly builder: string | undefined;
    readonly steps: number;
    readonly cachedSteps: number;
  }): CacheResolution;
}

const IMPORT = /^importing cache manifest from (.+)$/;
const EXPORT = /^exporting cache(?: to (.+))?$/;

/** How BuildKit speaks of the types of caches that it exports to. */
const EXPORT_WORDS: Readonly<Record<string, string>> = {
  registry: "registry",
  local: "client directory",
  inline: "inline",
  gha: "GitHub Actions Cache",
  s3: "Amazon S3",
  azblob: "Azure Blob Storage",
};

export function createCacheObserver(cache: BuildCache | undefined): CacheObserver {
  const imports = cache?.imports ?? [];
  const exports = cache?.exports ?? [];
  const found = new Map<string, boolean>();
  const exported = new Map<string, string | undefined>();
  let refusal: string | undefined;

  const outcomeOf = (ref: CacheRef): CacheResolution["exports"][number] => {
    if (refusal !== undefined) return { ref: ref.ref, outcome: "refused", reason: refusal };
    // The older ones do not say where to.
    const word = [EXPORT_WORDS[ref.type] ?? ref.type, ""].find((name) => exported.has(name));
    if (word === undefined) return { ref: ref.ref, outcome: "skipped" };
    const reason = exported.get(word);
    return reason === undefined
      ? { ref: ref.ref, outcome: "exported" }
      : { ref: ref.ref, outcome: "refused", reason };
  };

  return {
    accept(event) {
      if (event.type !== "build.vertex") return;
      const isOver = event.status !== "started" && event.status !== "canceled";
      if (!isOver) return;
      const place = IMPORT.exec(event.name)?.[1];
      if (place !== undefined) found.set(place, event.status !== "failed");
      const target = EXPORT.exec(event.name);
      if (target !== null) {
        exported.set(
          target[1] ?? "",
          event.status === "failed" ? (event.error ?? "no reason given") : undefined,
        );
      }
    },
    refuseExports(reason) {
      refusal = reason;
    },
    resolution: ({ builder, steps, cachedSteps }) =>
      resolveCache({
        plan: { mode: cache?.mode ?? modeOf(imports, exports), imports, exports },
        observed: {
          builder,
          steps,
          cachedSteps,
          imports: imports.flatMap((ref, index) => {
            const verdict = found.get(placeOf(ref, index, imports, [...found.keys()]));
            return verdict === undefined ? [] : [{ ref: ref.ref, found: verdict }];
          }),
          exports: exports.map(outcomeOf),
        },
      }),
  };
}

/** BuildKit names a local cache by a digest, so these are told apart by their order. */
function placeOf(
  ref: CacheRef,
  index: number,
  imports: readonly CacheRef[],
  places: readonly string[],
): string {
  if (ref.type !== "local") return ref.ref;
  const before = imports.slice(0, index).filter(({ type }) => type === "local").length;
  return places.filter((place) => place.startsWith("local:"))[before] ?? "";
}

function modeOf(imports: readonly CacheRef[], exports: readonly CacheRef[]): CacheMode {
  const all = [...imports, ...exports];
  const isLocal = all.some(({ type }) => type === "local");
  const isShared = all.some(({ type }) => type !== "local");
  if (isLocal && isShared) return "hybrid";
  if (isLocal) return "local";
  return isShared ? "shared" : "off";
}
