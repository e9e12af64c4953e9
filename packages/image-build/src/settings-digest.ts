import { createHash } from "node:crypto";
import { posix } from "node:path";
import { isMultiPlatform, platformsOf } from "./backends/requirements.js";
import type { BuildOptions } from "./image-builder.js";
import { DEFAULT_DOCKERFILE } from "./options.js";

/** Raised when the same settings would give another image than before. */
const BUILDER_SCHEMA = 1;

/** What of a build shapes its result, besides the context. */
export type ShapingOptions = Pick<
  BuildOptions,
  | "dockerfile"
  | "platform"
  | "platforms"
  | "buildArgs"
  | "target"
  | "namedContexts"
  | "attestations"
  | "annotations"
  | "rewriteTimestamps"
>;

/**
 * `sha256:` of what, besides the context, decides an image: the builder's schema version, the path
 * of the Dockerfile, platforms, target, build arguments, named contexts, attestations, annotations,
 * and whether times are rewritten. Order of keys and ways of writing the same path do not matter;
 * labels, tags, limits and cache options do not count, and neither does what is left at its default.
 */
export function digestSettings(options: ShapingOptions): string {
  const settings = [
    BUILDER_SCHEMA,
    posix.normalize(options.dockerfile ?? DEFAULT_DOCKERFILE),
    platformsOf(options)[0] ?? null,
    options.target ?? null,
    sorted(options.buildArgs),
    ...laterSettings(options),
  ];
  return `sha256:${createHash("sha256").update(JSON.stringify(settings)).digest("hex")}`;
}

/** Those that the first digests had not; left out while unset, so that those stay what they were. */
function laterSettings(options: ShapingOptions): readonly unknown[] {
  const platforms = platformsOf(options);
  const later = {
    platforms: isMultiPlatform(platforms) ? [...new Set(platforms)].sort(compareBytes) : [],
    namedContexts: sorted(options.namedContexts).map(([name, context]) => [
      name,
      sorted<string>({ ...context }),
    ]),
    attestations: sorted({ ...options.attestations }).filter(([, value]) => value !== undefined),
    annotations: sorted(options.annotations),
    rewriteTimestamps: options.rewriteTimestamps === true ? [true] : [],
  };
  return Object.entries(later).filter(([, values]) => values.length > 0);
}

function sorted<T>(values: { readonly [key: string]: T } | undefined): [string, T][] {
  return Object.entries(values ?? {}).sort(([a], [b]) => compareBytes(a, b));
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
