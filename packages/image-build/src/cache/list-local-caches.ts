import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readCacheEntries } from "./cache-entries.js";
import {
  enforceLocalRetention,
  type LocalRetentionOptions,
  type LocalRetentionResult,
} from "./local-retention.js";
import { isRealDirectory, readLayoutIndex } from "./oci-layout.js";

/** The cache of one repository on this disk. */
export interface LocalCacheSummary {
  readonly directory: string;
  /** 16 hex digits; see `repoHash`. */
  readonly repositoryHash: string;
  readonly entries: readonly {
    readonly digest: string;
    /** Its name in the index, usually `latest`. */
    readonly name: string | undefined;
    /** Unix milliseconds of its last export; zero when that is not known. */
    readonly updatedAt: number;
    /** Of everything it needs; what entries share is counted in each. */
    readonly sizeBytes: number;
    /** What makes it useless; undefined for a whole one. */
    readonly damage: string | undefined;
  }[];
  /** Of all blobs on disk. */
  readonly sizeBytes: number;
  /** Of those that no entry needs. */
  readonly unreferencedBytes: number;
  /** Why its entries could not be read. */
  readonly problem: string | undefined;
}

const REPOSITORY = /^[0-9a-f]{16}$/;

/** Every cache below a root, by name; none where there is no root. Changes nothing. */
export async function listLocalCaches(
  root: string,
  options: { readonly signal: AbortSignal },
): Promise<readonly LocalCacheSummary[]> {
  const summaries: LocalCacheSummary[] = [];
  for (const repositoryHash of await repositoriesIn(root)) {
    options.signal.throwIfAborted();
    const directory = join(root, repositoryHash);
    const read = await readLayoutIndex(directory);
    const index = read.kind === "read" ? read.index : undefined;
    const { entries, blobs } = await readCacheEntries(directory, index, options.signal);
    const needed = new Set(entries.flatMap((entry) => [...entry.blobs.keys()]));
    const problem = read.kind === "unreadable" ? read.reason : undefined;
    summaries.push({
      directory,
      repositoryHash,
      entries: entries.map(({ manifest, name, updatedAt, blobs: own, damage }) => ({
        digest: manifest.digest,
        name,
        updatedAt,
        sizeBytes: sum([...own.values()]),
        damage,
      })),
      sizeBytes: sum(blobs.map((blob) => blob.sizeBytes)),
      unreferencedBytes:
        problem === undefined
          ? sum(blobs.filter((blob) => !needed.has(blob.digest)).map((blob) => blob.sizeBytes))
          : 0,
      problem,
    });
  }
  return summaries;
}

/** {@link enforceLocalRetention} for every cache below a root, one after the other. */
export async function enforceLocalRetentionBelow(
  root: string,
  options: Omit<LocalRetentionOptions, "directory">,
): Promise<readonly LocalRetentionResult[]> {
  const results: LocalRetentionResult[] = [];
  for (const name of await repositoriesIn(root)) {
    results.push(await enforceLocalRetention({ ...options, directory: join(root, name) }));
  }
  return results;
}

async function repositoriesIn(root: string): Promise<readonly string[]> {
  if (!(await isRealDirectory(root))) return [];
  const names = (await readdir(root)).filter((name) => REPOSITORY.test(name)).sort();
  const directories = await Promise.all(names.map((name) => isRealDirectory(join(root, name))));
  return names.filter((_, at) => directories[at]);
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
