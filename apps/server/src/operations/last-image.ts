import type { ResolvedImage } from "@molecule-ai/registry-mode";
import type { Host } from "../host/host.js";
import type { WorkspaceRow } from "../store/workspaces.js";

/**
 * The image a workspace was last started with, as its row has it; undefined when the row does not
 * say, or when it is not on the engine any more.
 */
export async function findLastImage(
  { engine }: Pick<Host, "engine">,
  row: Pick<WorkspaceRow, "imageId" | "imageRef" | "imageDigest" | "imageRevision" | "imageTree">,
  signal: AbortSignal,
): Promise<ResolvedImage | undefined> {
  const { imageId, imageRef } = row;
  if (imageId === null) return undefined;
  const found = await engine.images.inspect(imageId, { signal });
  if (found === undefined) return undefined;
  const named = imageRef === null ? undefined : await engine.images.inspect(imageRef, { signal });
  const { os, arch, variant } = found;
  return {
    // The tag may mean another image by now; the id cannot.
    ref: imageRef !== null && named?.id === found.id ? imageRef : imageId,
    imageId,
    digest: row.imageDigest ?? undefined,
    revision: row.imageRevision ?? undefined,
    tree: row.imageTree ?? undefined,
    source: undefined,
    platform: os === "" || arch === "" ? undefined : [os, arch, variant].filter(Boolean).join("/"),
    outcome: "present",
    templatePath: undefined,
  };
}
