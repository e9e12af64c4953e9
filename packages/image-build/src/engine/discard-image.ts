import type { DockerEngine } from "@molecule-ai/docker-engine";

const DISCARD_TIMEOUT_MS = 10_000;

/** Takes back an image that was done just when its build was aborted, unless it has another name. */
export async function discardImage(engine: DockerEngine, imageId: string): Promise<void> {
  const signal = AbortSignal.timeout(DISCARD_TIMEOUT_MS);
  try {
    const found = await engine.images.inspect(imageId, { signal });
    if (found === undefined || found.tags.length > 0 || found.digests.length > 0) return;
    await engine.images.remove(imageId, { signal });
  } catch {
    // Unnamed as it is, the engine's own prune finds it; why we stopped matters more.
  }
}
