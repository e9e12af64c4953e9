import { open, mkdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { randomBytes } from "node:crypto";
import { ImageBuildError } from "../errors.js";
import {
  formatPublishManifest,
  MAX_MANIFEST_BYTES,
  parsePublishManifest,
  type PublishManifest,
} from "./publish-manifest.js";

/**
 * Writes a manifest whole or not at all, and its directory when there is none. What is there already
 * is replaced, except with `merge`, which adds to it. Throws `ERR_PUBLISH_RECORD`.
 */
export async function writePublishManifest(
  path: string,
  manifest: Omit<PublishManifest, "timestamp"> & { readonly timestamp?: string | undefined },
  options: { readonly merge?: boolean | undefined } = {},
): Promise<void> {
  const before = options.merge === true ? await readPublishManifest(path) : undefined;
  const binaries = [...(before?.binaries ?? []), ...(manifest.binaries ?? [])];
  const archives = [...(before?.archives ?? []), ...(manifest.archives ?? [])];
  const text = formatPublishManifest({
    published: [...(before?.published ?? []), ...manifest.published],
    ...(binaries.length === 0 ? {} : { binaries }),
    ...(archives.length === 0 ? {} : { archives }),
    timestamp: manifest.timestamp ?? rfc3339(new Date()),
  });
  const directory = dirname(path);
  const partial = join(directory, `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    await mkdir(directory, { recursive: true });
    await using file = await open(partial, "wx", 0o644);
    await file.writeFile(text);
    await file.sync();
    await rename(partial, path);
  } catch (cause) {
    await rm(partial, { force: true }).catch(() => {});
    throw unusable(path, "written", cause);
  }
}

/**
 * Reads and proves a manifest; undefined when there is none. A checksum in a file of its own
 * (`.sha256`), as older ones have it, is taken where the manifest has none inside. Throws
 * `ERR_PUBLISH_RECORD`.
 */
export async function readPublishManifest(path: string): Promise<PublishManifest | undefined> {
  const text = await readText(path);
  if (text === undefined) return undefined;
  return parsePublishManifest(text, await readText(`${path}.sha256`));
}

async function readText(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    if (size > MAX_MANIFEST_BYTES) throw new Error(`larger than ${MAX_MANIFEST_BYTES} bytes`);
    return await file.readFile("utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw unusable(path, "read", cause);
  }
}

function unusable(path: string, what: string, cause: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_PUBLISH_RECORD",
    `The record of what was published cannot be ${what}: ${path}.`,
    { hint: "Check the path, its permissions, and free space.", details: { path }, cause },
  );
}

/** Whole seconds, as RFC 3339 is usually written. */
function rfc3339(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, "Z");
}
