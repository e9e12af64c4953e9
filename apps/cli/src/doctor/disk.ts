import type { DockerEngine } from "@molecule-ai/docker-engine";
import { statfs } from "node:fs/promises";
import { formatBytes } from "../output/quantity.js";
import { ok, type Check } from "./check.js";

const GIB = 1024 ** 3;
/** A template with Python and its packages takes about a gigabyte while it is built. */
const TIGHT_BYTES = 5 * GIB;
const TOO_LITTLE_BYTES = GIB;

/** Free space where the engine keeps its data, or what it uses when that place is not ours to see. */
export async function checkDisk(engine: DockerEngine, signal: AbortSignal): Promise<Check> {
  const { rootDir } = await engine.info({ signal });
  const usage = await engine.diskUsage({ signal });
  const used = `images ${formatBytes(usage.imagesBytes)}, volumes ${formatBytes(usage.volumesBytes)}, build cache ${formatBytes(usage.buildCacheBytes)}`;
  const free = engine.endpoint.kind === "unix" ? await freeBytes(rootDir) : undefined;
  if (free === undefined) return ok("disk", `${used}; free space cannot be seen from here`);
  return judgeDisk(free, `${formatBytes(free)} free in ${rootDir}; ${used}`);
}

/** What that much free space means. */
export function judgeDisk(freeBytes: number, message: string): Check {
  if (freeBytes >= TIGHT_BYTES) return ok("disk", message);
  return {
    name: "disk",
    status: freeBytes >= TOO_LITTLE_BYTES ? "warning" : "failed",
    message,
    remedy:
      "Free some: `gc` removes images of runtimes nobody uses, `image gc` says what else could go.",
  };
}

async function freeBytes(path: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(path);
    return bavail * bsize;
  } catch {
    // Another machine's path, as with Docker Desktop, or one only root may look into.
    return undefined;
  }
}
