import type {
  BuildCacheRecord,
  ContainerInfo,
  ContainerState,
  DockerEngine,
} from "@molecule-ai/docker-engine";
import pLimit from "p-limit";
import type { CleanupPolicy } from "./cleanup-policy.js";
import { readRecentArrivals } from "./recent-arrivals.js";

export interface InventoryImage {
  readonly id: string;
  readonly tags: readonly string[];
  readonly digests: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** With the layers that it shares with others. */
  readonly sizeBytes: number;
  /** When it was made, last tagged here or, as far as the engine still knows, pulled; Unix milliseconds. */
  readonly newestAt: number;
}

export interface InventoryContainer {
  readonly id: string;
  readonly name: string;
  readonly imageId: string;
  readonly imageRef: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly status: ContainerState["status"];
  /** When it ended; when it was made, for one that never ran. */
  readonly endedAt: number;
  readonly namedVolumes: readonly string[];
  /** Names or ids. */
  readonly networks: readonly string[];
}

export interface InventoryNetwork {
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly createdAt: number;
}

/** What is on an engine, as far as a clean-up looks at it; plain JSON. Volumes are not in it. */
export interface CleanupInventory {
  readonly images: readonly InventoryImage[];
  /** All of them, running or not: they are what uses images and networks. */
  readonly containers: readonly InventoryContainer[];
  readonly networks: readonly InventoryNetwork[];
  readonly buildCache: readonly BuildCacheRecord[];
}

const CONCURRENCY = 8;

/**
 * Reads what `policy` needs. The build cache is asked for only where it may go: an engine walks all
 * of its storage for the answer. What vanishes meanwhile is left out.
 */
export async function readCleanupInventory(
  engine: DockerEngine,
  policy: CleanupPolicy,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<CleanupInventory> {
  const images =
    policy.danglingOlderThanMs === undefined && policy.unreferencedOlderThanMs === undefined
      ? []
      : await readImages(engine, options);
  const containers = await readContainers(engine, options);
  const networks = policy.unusedNetworks ? await engine.networks.list({}, options) : [];
  const withBuildCache =
    policy.scope.length === 0 &&
    (policy.buildCacheOlderThanMs !== undefined || policy.buildCacheKeepBytes !== undefined);
  return {
    images,
    containers,
    networks: networks.map(({ id, name, driver, labels, createdAt }) => ({
      id,
      name,
      driver,
      labels,
      createdAt: createdAt ?? 0,
    })),
    buildCache: withBuildCache ? await engine.buildCache.list(options) : [],
  };
}

async function readImages(
  engine: DockerEngine,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<InventoryImage[]> {
  const limit = pLimit(CONCURRENCY);
  const listed = await engine.images.list({}, options);
  const arrivals = await readRecentArrivals(engine, options);
  const images = await limit.map(listed, async (image): Promise<InventoryImage | undefined> => {
    // A list does not tell when an image was tagged: one built of old layers is not old.
    const info = await engine.images.inspect(image.id, options);
    if (info === undefined) return undefined;
    return {
      id: image.id,
      tags: info.tags,
      digests: info.digests,
      labels: info.labels,
      sizeBytes: image.sizeBytes,
      newestAt: Math.max(
        info.createdAt ?? image.createdAt,
        info.taggedAt ?? 0,
        ...[info.id, ...info.tags, ...info.digests].map((name) => arrivals.get(name) ?? 0),
      ),
    };
  });
  return images.filter((image) => image !== undefined);
}

/** Every container with what it uses. */
export async function readContainers(
  engine: DockerEngine,
  options: { readonly signal?: AbortSignal | undefined },
): Promise<InventoryContainer[]> {
  const limit = pLimit(CONCURRENCY);
  const listed = await engine.containers.list({ all: true }, options);
  const containers = await limit.map(listed, async ({ id }) => {
    const info = await engine.containers.inspect(id, options);
    return info === undefined ? undefined : describeContainer(info);
  });
  return containers.filter((container) => container !== undefined);
}

function describeContainer(info: ContainerInfo): InventoryContainer {
  const mode = info.hostConfig["NetworkMode"];
  return {
    id: info.id,
    name: info.name,
    imageId: info.image,
    imageRef: info.imageRef,
    labels: info.labels,
    status: info.state.status,
    endedAt: info.state.finishedAt ?? info.createdAt,
    namedVolumes: info.mounts.flatMap(({ type, name }) =>
      type === "volume" && name !== undefined && !ANONYMOUS.test(name) ? [name] : [],
    ),
    networks: [...Object.keys(info.networks), ...(typeof mode === "string" ? [mode] : [])],
  };
}

/** The engine's own names for volumes that nobody named. */
const ANONYMOUS = /^[0-9a-f]{64}$/;
