import { z } from "zod";
import { ImageBuildError } from "../errors.js";

/** What buildx writes with `--metadata-file`, checked. */
export interface BuildxMetadata {
  /** `containerimage.digest`: of the manifest or index, or the image id where the docker driver built. */
  readonly digest: string | undefined;
  /** `containerimage.config.digest`. */
  readonly configDigest: string | undefined;
  /** The references that were pushed or loaded. */
  readonly imageNames: readonly string[];
  /** What `buildx history` knows the build by: `builder/node/id`. */
  readonly buildRef: string | undefined;
  /** Provenance by platform; the key is empty for a build of one. */
  readonly provenance: ReadonlyMap<string, Readonly<Record<string, unknown>>>;
}

/** Nothing buildx writes comes near to it, provenance of a hundred platforms included. */
export const MAX_METADATA_BYTES: number = 16 * 1024 * 1024;

const MAX_NAMES = 10_000;
const PROVENANCE = /^buildx\.build\.provenance(?:\/([\w./-]{1,100}))?$/;

const digest = z.string().regex(/^sha256:[0-9a-f]{1,64}$/);
const fields = z.looseObject({
  "containerimage.digest": z.union([z.literal(""), digest]).optional(),
  "containerimage.config.digest": z.union([z.literal(""), digest]).optional(),
  "image.name": z.string().optional(),
  "buildx.build.ref": z.string().max(1000).optional(),
});

/**
 * Reads the content of a metadata file. Keys may come in any order, and ones it does not know are
 * passed over. Throws `ERR_BUILDX_FAILED` for what is no such content.
 */
export function parseBuildxMetadata(text: string): BuildxMetadata {
  if (text.length > MAX_METADATA_BYTES) throw unreadable("it is too large");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unreadable("it is not JSON", cause);
  }
  const found = fields.safeParse(value);
  if (!found.success) throw unreadable("a field is not what it should be", found.error);
  const names = splitNames(found.data["image.name"] ?? "");
  return {
    digest: found.data["containerimage.digest"] || undefined,
    configDigest: found.data["containerimage.config.digest"] || undefined,
    imageNames: names,
    buildRef: found.data["buildx.build.ref"] || undefined,
    provenance: provenanceOf(found.data),
  };
}

/**
 * `containerimage.digest` alone. Throws `ERR_BUILDX_FAILED` also when there is none, as after a build
 * whose only result is files.
 */
export function parseMetadataDigest(text: string): string {
  const { digest: found } = parseBuildxMetadata(text);
  if (found === undefined) throw unreadable("no digest in metadata file");
  return found;
}

function splitNames(text: string): readonly string[] {
  return text
    .split(",", MAX_NAMES)
    .map((name) => name.trim())
    .filter((name) => name !== "");
}

function provenanceOf(data: Readonly<Record<string, unknown>>): BuildxMetadata["provenance"] {
  const found = new Map<string, Readonly<Record<string, unknown>>>();
  for (const [key, value] of Object.entries(data)) {
    const platform = PROVENANCE.exec(key);
    if (platform === null || typeof value !== "object" || value === null) continue;
    if (!Array.isArray(value)) found.set(platform[1] ?? "", value as Record<string, unknown>);
  }
  return found;
}

function unreadable(reason: string, cause?: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILDX_FAILED",
    `The metadata that buildx wrote of the build cannot be used: ${reason}.`,
    { hint: "Check the version of buildx: 0.10 or newer is needed.", cause },
  );
}
