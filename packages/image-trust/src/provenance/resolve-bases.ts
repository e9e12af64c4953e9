import { open } from "node:fs/promises";
import { join } from "node:path";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { extractInventory, type Inventory } from "@molecule-ai/dockerfile";

const LARGEST_DOCKERFILE_BYTES = 16 * 1024 * 1024;

export interface DockerfileLocation {
  /** The directory that is built. */
  readonly files: string;
  /** Path of the Dockerfile in it. */
  readonly dockerfile: string;
  readonly buildArgs?: Readonly<Record<string, string>> | undefined;
  readonly target?: string | undefined;
}

/** Undefined for a Dockerfile that cannot be read: a build that succeeded knows better. */
export async function readInventory(location: DockerfileLocation): Promise<Inventory | undefined> {
  const { buildArgs, target } = location;
  try {
    await using handle = await open(join(location.files, location.dockerfile));
    const { size } = await handle.stat();
    if (size > LARGEST_DOCKERFILE_BYTES) return undefined;
    return extractInventory(await handle.readFile("utf8"), { buildArgs, target });
  } catch {
    return undefined;
  }
}

/** The base images that a build needs, as they are written. */
export function basesOf({ baseImages }: Inventory): readonly string[] {
  const needed = baseImages.filter((image) => image.needed).map(({ reference }) => reference);
  return [...new Set(needed)];
}

/**
 * What the bases of a build are on an engine right after it. The digest of a registry where there is
 * one, else the id; a name that the engine does not know is left out.
 */
export async function resolveBases(
  engine: DockerEngine,
  inventory: Inventory,
  signal: AbortSignal | undefined,
): Promise<readonly { readonly reference: string; readonly digest: string }[]> {
  const bases: { reference: string; digest: string }[] = [];
  for (const reference of basesOf(inventory)) {
    const found = await inspect(engine, reference, signal);
    const digest = found?.digests[0]?.split("@")[1] ?? found?.id;
    if (digest !== undefined) bases.push({ reference, digest });
  }
  return bases;
}

async function inspect(
  engine: DockerEngine,
  reference: string,
  signal: AbortSignal | undefined,
): Promise<Awaited<ReturnType<DockerEngine["images"]["inspect"]>>> {
  try {
    return await engine.images.inspect(reference, { signal });
  } catch {
    signal?.throwIfAborted();
    // A name that depends on what only the builder knows is none to the engine.
    return undefined;
  }
}
