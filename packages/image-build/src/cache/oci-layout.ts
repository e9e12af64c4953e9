import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { lstat, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import {
  isIndexMediaType,
  MEDIA_TYPES,
  parseManifest,
  type Descriptor,
} from "@molecule-ai/registry-client";

const LARGEST_INDEX = 4 * 1024 * 1024;
const LARGEST_MANIFEST = 16 * 1024 * 1024;
const MOST_MANIFESTS = 1000;
const DEEPEST = 4;
const ALGORITHMS = ["sha256", "sha384", "sha512"] as const;
const HEX = /^(?:[a-f0-9]{64}|[a-f0-9]{96}|[a-f0-9]{128})$/;

export const INDEX_FILE = "index.json";

/** `index.json` of an OCI layout. */
export interface LayoutIndex {
  /** As on disk. */
  readonly bytes: Buffer;
  readonly modifiedMs: number;
  readonly manifests: readonly Descriptor[];
  /** The same index with only the entries at these positions, all else as it was. */
  only(positions: ReadonlySet<number>): Buffer;
}

type IndexRead =
  | { readonly kind: "read"; readonly index: LayoutIndex }
  | { readonly kind: "absent" }
  /** There is one that must not be touched: too large, no index, not a file. */
  | { readonly kind: "unreadable"; readonly reason: string };

/** Reads the index of a layout. Throws only for failures of the disk. */
export async function readLayoutIndex(directory: string): Promise<IndexRead> {
  const file = await readSmallFile(join(directory, INDEX_FILE), LARGEST_INDEX);
  if (file.kind !== "read") return file;
  const json = parseJson(file.bytes);
  // Go writes an empty list as null.
  const raw: unknown = json?.["manifests"] === null ? [] : json?.["manifests"];
  const parsed = parseManifest({ ...json, manifests: raw });
  if (json === undefined || parsed?.kind !== "index" || !Array.isArray(raw)) {
    return { kind: "unreadable", reason: `${INDEX_FILE} is no OCI index` };
  }
  const { manifests } = parsed;
  return {
    kind: "read",
    index: {
      bytes: file.bytes,
      modifiedMs: file.modifiedMs,
      manifests,
      only(positions) {
        const kept = raw.filter((_, at) => positions.has(at));
        return Buffer.from(JSON.stringify({ ...json, manifests: kept }));
      },
    },
  };
}

/** What one manifest of a layout needs, itself included. */
type Reach =
  | {
      readonly kind: "whole";
      /** Bytes by digest. */
      readonly blobs: ReadonlyMap<string, number>;
      readonly modifiedMs: number;
    }
  /** A manifest of it is absent, or is not what its digest says: nothing can be had through it. */
  | { readonly kind: "damaged"; readonly reason: string };

/** Follows a manifest to everything it refers to. Throws only for failures of the disk. */
export async function reachOf(directory: string, manifest: Descriptor): Promise<Reach> {
  const blobs = new Map<string, number>();
  const pending: { readonly at: Descriptor; readonly depth: number }[] = [
    { at: manifest, depth: 0 },
  ];
  let modifiedMs = 0;
  let manifests = 0;
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (blobs.has(next.at.digest)) continue;
    if (++manifests > MOST_MANIFESTS || next.depth > DEEPEST) {
      return { kind: "damaged", reason: "it has too many manifests in it" };
    }
    const file = await readSmallFile(blobPath(directory, next.at.digest), LARGEST_MANIFEST);
    if (file.kind !== "read") {
      const why = file.kind === "absent" ? "is absent" : file.reason;
      return { kind: "damaged", reason: `${next.at.digest} ${why}` };
    }
    if (digestOf(file.bytes, next.at.digest) !== next.at.digest) {
      return { kind: "damaged", reason: `${next.at.digest} is not what its digest says` };
    }
    const parsed = parseManifest(parseJson(file.bytes));
    if (parsed === undefined)
      return { kind: "damaged", reason: `${next.at.digest} is no manifest` };
    blobs.set(next.at.digest, file.bytes.length);
    if (next.depth === 0) modifiedMs = file.modifiedMs;
    const children = parsed.kind === "index" ? parsed.manifests : [parsed.config, ...parsed.layers];
    for (const child of children) {
      // BuildKit lists layers, which are no manifests, in an index.
      if (isManifest(child.mediaType)) pending.push({ at: child, depth: next.depth + 1 });
      else blobs.set(child.digest, child.sizeBytes);
    }
  }
  return { kind: "whole", blobs, modifiedMs };
}

/** A file of the store. */
export interface StoredBlob {
  readonly digest: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** Every blob on disk; what is not named like one, or is a link, is none of ours. */
export async function listBlobs(directory: string): Promise<readonly StoredBlob[]> {
  const blobs: StoredBlob[] = [];
  if (!(await isRealDirectory(join(directory, "blobs")))) return blobs;
  for (const algorithm of ALGORITHMS) {
    const parent = join(directory, "blobs", algorithm);
    if (!(await isRealDirectory(parent))) continue;
    for (const name of await readdir(parent)) {
      if (!HEX.test(name)) continue;
      const path = join(parent, name);
      const found = await lstatOrAbsent(path);
      if (found?.isFile() !== true) continue;
      blobs.push({
        digest: `${algorithm}:${name}`,
        path,
        sizeBytes: found.size,
        modifiedMs: found.mtimeMs,
      });
    }
  }
  return blobs;
}

export async function isRealDirectory(path: string): Promise<boolean> {
  return (await lstatOrAbsent(path))?.isDirectory() === true;
}

export async function lstatOrAbsent(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** The digest was validated: it has no path in it. */
function blobPath(directory: string, digest: string): string {
  return join(directory, "blobs", ...digest.split(":"));
}

type SmallFile =
  | { readonly kind: "read"; readonly bytes: Buffer; readonly modifiedMs: number }
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly reason: string };

async function readSmallFile(path: string, limitBytes: number): Promise<SmallFile> {
  const before = await lstatOrAbsent(path);
  if (before === undefined) return { kind: "absent" };
  if (!before.isFile()) return { kind: "unreadable", reason: "is not a file" };
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const found = await file.stat();
    if (found.size > limitBytes) {
      return { kind: "unreadable", reason: `is larger than ${limitBytes} bytes` };
    }
    return { kind: "read", bytes: await file.readFile(), modifiedMs: found.mtimeMs };
  } finally {
    await file.close();
  }
}

function parseJson(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const json: unknown = JSON.parse(bytes.toString("utf8"));
    return typeof json === "object" && json !== null && !Array.isArray(json)
      ? (json as Readonly<Record<string, unknown>>)
      : undefined;
  } catch {
    return undefined;
  }
}

function isManifest(mediaType: string): boolean {
  return (
    isIndexMediaType(mediaType) ||
    mediaType === MEDIA_TYPES.ociManifest ||
    mediaType === MEDIA_TYPES.dockerManifest
  );
}

function digestOf(bytes: Buffer, like: string): string {
  const algorithm = like.slice(0, like.indexOf(":"));
  return `${algorithm}:${createHash(algorithm).update(bytes).digest("hex")}`;
}

function isAbsent(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOENT" || error.code === "ENOTDIR")
  );
}
