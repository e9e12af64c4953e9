import type { Descriptor } from "@molecule-ai/registry-client";
import { listBlobs, reachOf, type LayoutIndex, type StoredBlob } from "./oci-layout.js";

const REF_NAME = "org.opencontainers.image.ref.name";

/** One export of a build's cache into a local directory. */
export interface LocalCacheEntry {
  readonly manifest: Descriptor;
  /** In the index, from 0. */
  readonly position: number;
  /** Its name in the index, usually `latest`. */
  readonly name: string | undefined;
  /** Unix milliseconds of its last export. */
  readonly updatedAt: number;
  /** Bytes by digest of everything it needs; other entries may need it too. */
  readonly blobs: ReadonlyMap<string, number>;
  /** What makes it useless; undefined for a whole one. */
  readonly damage: string | undefined;
}

/** A local cache as it is on disk. */
export interface LocalCacheContent {
  readonly entries: readonly LocalCacheEntry[];
  readonly blobs: readonly StoredBlob[];
}

/** Without an index there are no entries, only what earlier exports left. */
export async function readCacheEntries(
  directory: string,
  index: LayoutIndex | undefined,
  signal: AbortSignal,
): Promise<LocalCacheContent> {
  const blobs = await listBlobs(directory);
  const onDisk = new Set(blobs.map((blob) => blob.digest));
  const entries: LocalCacheEntry[] = [];
  const manifests = index?.manifests ?? [];
  for (const [position, manifest] of manifests.entries()) {
    signal.throwIfAborted();
    const reach = await reachOf(directory, manifest);
    const about = { manifest, position, name: manifest.annotations?.[REF_NAME] };
    if (reach.kind === "damaged") {
      entries.push({ ...about, updatedAt: 0, blobs: new Map(), damage: reach.reason });
      continue;
    }
    // An export of what is there already writes no blob, only the index, and puts itself last in it.
    const last = position === manifests.length - 1;
    const indexMs = last ? (index?.modifiedMs ?? 0) : 0;
    const absent = [...reach.blobs.keys()].find((digest) => !onDisk.has(digest));
    entries.push({
      ...about,
      updatedAt: Math.max(reach.modifiedMs, indexMs),
      blobs: reach.blobs,
      damage: absent === undefined ? undefined : `${absent} is absent`,
    });
  }
  return { entries, blobs };
}
