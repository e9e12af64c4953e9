import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { BuildOptions } from "./image-builder.js";
import { DEFAULT_DOCKERFILE } from "./options.js";

/** Raised when the same settings would give another image than before. */
const BUILDER_SCHEMA = 1;

/**
 * `sha256:` of what, besides the context, decides an image: the builder's schema version, the path
 * of the Dockerfile, platform, target and build arguments. Order of keys and ways of writing the
 * same path do not matter; labels, tags, limits and cache options do not count.
 */
export function digestSettings(
  options: Pick<BuildOptions, "dockerfile" | "platform" | "buildArgs" | "target">,
): string {
  const settings = [
    BUILDER_SCHEMA,
    posix.normalize(options.dockerfile ?? DEFAULT_DOCKERFILE),
    options.platform ?? null,
    options.target ?? null,
    Object.entries(options.buildArgs ?? {}).sort(([a], [b]) =>
      Buffer.compare(Buffer.from(a), Buffer.from(b)),
    ),
  ];
  return `sha256:${createHash("sha256").update(JSON.stringify(settings)).digest("hex")}`;
}
