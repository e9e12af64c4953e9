import type { DockerEngine } from "@molecule-ai/docker-engine";
import { statfs } from "node:fs/promises";
import { hostname } from "node:os";
import { formatByteSize } from "../units/byte-size.js";

export interface DiskSpace {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/** When a clean-up is due; without either it always is. */
export interface CleanupTrigger {
  /** Less free than this. */
  readonly minFreeBytes: number | undefined;
  /** Less free than this part of the disk, above 0 and below 100. */
  readonly minFreePercent: number | undefined;
}

/** `unknown`: free space is what counts, and it cannot be seen. */
export interface CleanupDue {
  readonly kind: "due" | "enough" | "unknown";
  readonly reason: string;
}

/** Whether the disk is full enough to clean up. Pure. */
export function shouldClean(space: DiskSpace | undefined, trigger: CleanupTrigger): CleanupDue {
  const { minFreeBytes, minFreePercent } = trigger;
  if (minFreeBytes === undefined && minFreePercent === undefined) {
    return { kind: "due", reason: "no free space is asked for" };
  }
  if (space === undefined) {
    return { kind: "unknown", reason: "the engine's free disk space cannot be seen from here" };
  }
  const wanted = Math.max(
    minFreeBytes ?? 0,
    ((minFreePercent ?? 0) / 100) * Math.max(0, space.totalBytes),
  );
  const free = `${formatByteSize(Math.floor(space.freeBytes))} of ${formatByteSize(space.totalBytes)} are free`;
  return space.freeBytes < wanted
    ? { kind: "due", reason: `${free}, less than ${formatByteSize(Math.ceil(wanted))}` }
    : { kind: "enough", reason: free };
}

/**
 * Space where the engine keeps its data. The API does not tell it, so it is known only of an engine
 * of this very machine: one behind a local socket that has the machine's name. Else undefined.
 */
export async function readEngineDisk(
  engine: DockerEngine,
  options: { readonly signal?: AbortSignal | undefined } = {},
): Promise<DiskSpace | undefined> {
  if (engine.endpoint.kind !== "unix") return undefined;
  const { rootDir, name } = await engine.info(options);
  // Docker Desktop's socket is local, and its disk is another machine's with the same path.
  if (name !== hostname() || rootDir === "") return undefined;
  try {
    const { bavail, blocks, bsize } = await statfs(rootDir);
    return { freeBytes: bavail * bsize, totalBytes: blocks * bsize };
  } catch {
    // In a container, or a directory that is not ours to look at.
    return undefined;
  }
}
