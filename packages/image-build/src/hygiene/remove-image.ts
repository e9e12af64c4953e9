import { isEngineConflict, isEngineError, type DockerEngine } from "@molecule-ai/docker-engine";
import type { CleanupItem } from "./cleanup-plan.js";
import type { Removal } from "./cleanup-outcome.js";

const USED = "something uses it since";

/**
 * Takes an image's names off one by one, which works however many it has, or removes one without a
 * name by its id. Nothing is forced. An image that got a name, lost one or is used since the plan was
 * made stays, with the names it has then.
 */
export async function removeImage(
  engine: DockerEngine,
  item: CleanupItem,
  signal: AbortSignal | undefined,
): Promise<Removal> {
  const image = await engine.images.inspect(item.id, { signal });
  if (image === undefined) return { outcome: "removed", freedBytes: 0 };
  const names = image.tags.length > 0 ? image.tags : image.digests;
  if (!isSameSet(names, item.names)) {
    return { outcome: "kept", reason: "it has other names than when it was looked at" };
  }
  // Taking a name off is not refused while another is left: a user has to be looked for.
  const users = await engine.containers.list({ all: true, ancestor: item.id }, { signal });
  if (users.length > 0) return { outcome: "kept", reason: `${USED}: ${users[0]?.name ?? ""}` };

  const taken: string[] = [];
  try {
    if (names.length === 0) await engine.images.remove(item.id, { signal });
    for (const name of names) {
      await engine.images.remove(name, { signal });
      taken.push(name);
    }
    return { outcome: "removed", freedBytes: item.sizeBytes };
  } catch (error) {
    const restored = await restoreTags(engine, item.id, taken);
    if (isEngineConflict(error) && restored) return { outcome: "kept", reason: USED };
    throw error;
  }
}

/** Half of its names would be a worse state than before. True when all are back. */
async function restoreTags(
  engine: DockerEngine,
  id: string,
  tags: readonly string[],
): Promise<boolean> {
  try {
    for (const tag of tags) await engine.images.tag(id, tag);
    return true;
  } catch (error) {
    if (isEngineError(error)) return false;
    throw error;
  }
}

function isSameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((entry) => other.includes(entry));
}
