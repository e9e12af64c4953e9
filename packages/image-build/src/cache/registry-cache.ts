import {
  isRegistryError,
  parseManifest,
  type RegistryClient,
  type RegistryError,
} from "@molecule-ai/registry-client";
import pLimit from "p-limit";
import { cacheSettingsError } from "./cache-settings-error.js";
import { cacheTagScope, parseCacheTag } from "./cache-tag.js";

/** One cache in a registry. */
export interface RegistryCacheEntry {
  readonly tag: string;
  /** `<prefix>-<repoHash>`: whose cache it is. */
  readonly scope: string;
  readonly digest: string;
  /** Unix milliseconds; undefined when nothing in it says so. */
  readonly createdAt: number | undefined;
  /** Of everything it refers to, compressed. */
  readonly sizeBytes: number;
}

export interface RegistryCacheList {
  readonly entries: readonly RegistryCacheEntry[];
  /** Tags whose cache could not be looked at. */
  readonly failures: readonly { readonly tag: string; readonly error: RegistryError }[];
  /** Every tag of the repository, also those that are no caches. */
  readonly tags: readonly string[];
}

const CONCURRENCY = 4;
const MOST_TAGS = 50_000;
// BuildKit and Go write years before this where they know no time, reproducible builds 1970.
const EARLIEST = Date.UTC(2013, 0);
const CREATED = "org.opencontainers.image.created";
const LAYER_CREATED = "buildkit/createdat";
const IMAGE_CONFIG =
  /^application\/vnd\.(?:oci\.image\.config\.v1|docker\.container\.image\.v1)\+json$/;

/**
 * The caches of one scope (`<prefix>-<repoHash>`) in a repository, or of all scopes. Throws a
 * `RegistryError` when the tags cannot be listed, `ERR_BUILD_CACHE_SETTINGS` when there are absurdly
 * many of them.
 */
export async function listRegistryCaches(options: {
  readonly client: RegistryClient;
  /** With its registry, without a tag. */
  readonly repository: string;
  readonly scope: string | undefined;
  readonly signal: AbortSignal;
}): Promise<RegistryCacheList> {
  const { client, repository, scope, signal } = options;
  const tags: string[] = [];
  for await (const tag of client.tags(repository, { signal })) {
    tags.push(tag);
    if (tags.length <= MOST_TAGS) continue;
    throw cacheSettingsError(
      `${repository} has more than ${MOST_TAGS} tags.`,
      "Give the build cache a repository of its own.",
    );
  }
  const entries: RegistryCacheEntry[] = [];
  const failures: { tag: string; error: RegistryError }[] = [];
  const caches = tags.flatMap((tag) => {
    const parsed = parseCacheTag(tag);
    return parsed === undefined ? [] : [{ tag, scope: cacheTagScope(parsed) }];
  });
  const wanted = caches.filter((cache) => scope === undefined || cache.scope === scope);
  await eachOf(wanted, async ({ tag, scope: ownScope }) => {
    try {
      const found = await readManifest(client, repository, tag, signal);
      if (found !== undefined) entries.push({ tag, scope: ownScope, ...found });
    } catch (error) {
      if (!isRegistryError(error)) throw error;
      failures.push({ tag, error });
    }
  });
  return { entries: entries.sort(oldestFirst), failures, tags };
}

/** By creation, unknown ones first; caches of the same moment by name. */
export function oldestFirst(a: RegistryCacheEntry, b: RegistryCacheEntry): number {
  return (a.createdAt ?? 0) - (b.createdAt ?? 0) || (a.tag < b.tag ? -1 : 1);
}

/** Works on several at once; the first failure is thrown once nothing runs any more. */
export async function eachOf<Item>(
  items: readonly Item[],
  work: (item: Item) => Promise<void>,
): Promise<void> {
  const limit = pLimit(CONCURRENCY);
  let failed: { readonly error: unknown } | undefined;
  await Promise.all(
    items.map((item) =>
      limit(async () => {
        if (failed !== undefined) return;
        try {
          await work(item);
        } catch (error) {
          failed ??= { error };
        }
      }),
    ),
  );
  if (failed !== undefined) throw failed.error;
}

/** Undefined for a tag that went away meanwhile. */
async function readManifest(
  client: RegistryClient,
  repository: string,
  tag: string,
  signal: AbortSignal,
): Promise<Omit<RegistryCacheEntry, "tag" | "scope"> | undefined> {
  try {
    const found = await client.manifest(`${repository}:${tag}`, { signal });
    const about = { digest: found.digest };
    const manifest = parseManifest(found.json);
    if (manifest === undefined)
      return { ...about, createdAt: undefined, sizeBytes: found.sizeBytes };
    const parts =
      manifest.kind === "index" ? manifest.manifests : [manifest.config, ...manifest.layers];
    const told = [
      manifest.annotations[CREATED],
      ...parts.map((part) => part.annotations?.[LAYER_CREATED]),
    ].map(instantOf);
    // An image that carries its cache says when it was made in its configuration.
    if (manifest.kind === "image" && IMAGE_CONFIG.test(manifest.config.mediaType)) {
      const config = await client.imageConfig(`${repository}@${found.digest}`, { signal });
      told.push(isPlausible(config.createdAt) ? config.createdAt : undefined);
    }
    const times = told.filter((time) => time !== undefined);
    const sizes = new Map(parts.map((part) => [part.digest, part.sizeBytes]));
    return {
      ...about,
      createdAt: times.length === 0 ? undefined : Math.max(...times),
      sizeBytes: [...sizes.values()].reduce((sum, size) => sum + size, found.sizeBytes),
    };
  } catch (error) {
    if (isRegistryError(error, "ERR_REGISTRY_NOT_FOUND")) return undefined;
    throw error;
  }
}

function instantOf(text: string | undefined): number | undefined {
  const time = text === undefined ? Number.NaN : Date.parse(text);
  return isPlausible(time) ? time : undefined;
}

function isPlausible(time: number | undefined): time is number {
  return time !== undefined && time >= EARLIEST;
}
