import { randomUUID } from "node:crypto";
import { mkdir, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readLayoutIndex } from "./oci-layout.js";
import { repoHash } from "./repository-hash.js";
import type { CacheSettings } from "./settings.js";

/** Whether builds can keep their cache on this disk. */
export type LocalCache =
  | {
      readonly kind: "available";
      readonly directory: string;
      /** Why nothing can be read from it yet, though it can be written; one sentence. */
      readonly unreadable?: string | undefined;
    }
  | {
      readonly kind: "unavailable";
      /** One sentence for people. */
      readonly reason: string;
    };

/** Where the cache of one repository is. */
export function localCacheDirectory(root: string, repositoryId: string): string {
  return join(root, repoHash(repositoryId));
}

/**
 * Makes the directory of a repository's cache and writes a file into it to be sure, also on a
 * read-only volume. A mount that is absent is not made.
 */
export async function probeLocalCache(
  settings: Pick<CacheSettings["local"], "root" | "mount">,
  repositoryId: string,
): Promise<LocalCache> {
  const { root, mount } = settings;
  const unavailable = (reason: string): LocalCache => ({ kind: "unavailable", reason });
  if (root === undefined)
    return unavailable("There is no directory for it: set MOLECULE_BUILD_CACHE_DIR.");
  if (mount !== undefined && !(await isDirectory(mount))) {
    return unavailable(`${mount} is not there, or is no directory: is a volume not mounted?`);
  }
  const directory = localCacheDirectory(root, repositoryId);
  const probe = join(directory, `.probe-${randomUUID()}`);
  try {
    await mkdir(directory, { recursive: true, mode: 0o755 });
    try {
      await writeFile(probe, "", { flag: "wx" });
    } finally {
      await rm(probe, { force: true });
    }
    return { kind: "available", directory, unreadable: await whyUnreadable(directory) };
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown error";
    return unavailable(`${directory} cannot be written (${code}).`);
  }
}

/** buildx fails a build that reads from an index without its tag; from none it only warns. */
async function whyUnreadable(directory: string): Promise<string | undefined> {
  const read = await readLayoutIndex(directory);
  if (read.kind !== "read") return undefined;
  const isThere = read.index.manifests.some(
    (manifest) => manifest.annotations?.["org.opencontainers.image.ref.name"] === "latest",
  );
  return isThere ? undefined : `${directory} has no cache with the tag latest.`;
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
