import { lstat, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";

/** What the names of our configuration directories begin with. */
export const CONFIG_PREFIX = "molecule-docker-config-";
/** How often a living owner touches its directory. */
export const HEARTBEAT_MS = 60_000;
/** An owner that cannot be looked for and did not touch it for this long is dead. */
const STALE_MS = 15 * HEARTBEAT_MS;
/** After this long another process has the number; no machine sleeps in the middle of a build so long. */
const REUSED_MS = 24 * 60 * HEARTBEAT_MS;

const OWNER_FILE = "owner.json";
const OWNER = z.object({ pid: z.int().positive(), scope: z.string() });

/** Says whose a directory is. */
export async function markOwner(directory: string): Promise<void> {
  const owner = { pid: process.pid, scope: await processScope() };
  await writeFile(join(directory, OWNER_FILE), JSON.stringify(owner), { mode: 0o600, flag: "wx" });
}

/**
 * Removes configuration directories whose process is gone: killed ones cannot do it themselves.
 * Other users' and other machines' (of a shared directory) are left alone while they are touched.
 */
export async function sweepDockerConfigs(parent: string): Promise<void> {
  const scope = await processScope();
  const names = await readdir(parent).catch((): string[] => []);
  for (const name of names) {
    if (!name.startsWith(CONFIG_PREFIX)) continue;
    const directory = join(parent, name);
    if (await isAbandoned(directory, scope)) {
      await rm(directory, { recursive: true, force: true });
    }
  }
}

async function isAbandoned(directory: string, scope: string): Promise<boolean> {
  const found = await lstat(directory).catch(() => undefined);
  if (found?.isDirectory() !== true) return false;
  const uid = process.getuid?.();
  if (uid !== undefined && found.uid !== uid) return false;
  const owner = await readOwner(directory);
  const ageMs = Date.now() - found.mtimeMs;
  if (owner === undefined || owner.scope !== scope) return ageMs > STALE_MS;
  return !isAlive(owner.pid) || ageMs > REUSED_MS;
}

async function readOwner(directory: string): Promise<z.infer<typeof OWNER> | undefined> {
  try {
    return OWNER.parse(JSON.parse(await readFile(join(directory, OWNER_FILE), "utf8")));
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Where process ids mean the same: a machine, and on Linux a namespace of it. */
async function processScope(): Promise<string> {
  const namespace = await readlink("/proc/self/ns/pid").catch(() => "");
  return `${hostname()} ${namespace}`;
}
