import { randomBytes } from "node:crypto";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** What a tag in a registry was last made to mean by this machine. */
export interface PushedImage {
  readonly imageId: string;
  /** Of the manifest, as the registry has it. */
  readonly digest: string;
}

/** Remembers what was pushed, so that an image that starts again is not pushed again. */
export interface PushRecords {
  /** By reference; empty when nothing is known. Never throws. */
  read(runtime: string): Promise<ReadonlyMap<string, PushedImage>>;
  /** Call with the lock of `runtime` held. */
  add(runtime: string, pushed: ReadonlyMap<string, PushedImage>): Promise<void>;
}

/** Directory of the records inside the cache; not the name of a runtime, which has no dot. */
export const PUSHES_DIRECTORY = ".pushes";

/** Of references per runtime; who pushes more pushes the oldest again, which costs little. */
const MOST = 100;

export function createPushRecords(cacheDirectory: string): PushRecords {
  const directory = join(cacheDirectory, PUSHES_DIRECTORY);
  const fileOf = (runtime: string): string => join(directory, `${runtime}.json`);
  const read = async (runtime: string): Promise<Map<string, PushedImage>> =>
    parsePushRecord(await readFile(fileOf(runtime), "utf8").catch(() => ""));

  return {
    read,
    async add(runtime, pushed) {
      const all = await read(runtime);
      for (const [ref, image] of pushed) {
        all.delete(ref);
        all.set(ref, image);
      }
      const temporary = `${fileOf(runtime)}.${randomBytes(4).toString("hex")}`;
      try {
        await mkdir(directory, { recursive: true, mode: 0o700 });
        await writeFile(temporary, `${JSON.stringify([...all].slice(-MOST))}\n`);
        await rename(temporary, fileOf(runtime));
      } finally {
        await rm(temporary, { force: true });
      }
    },
  };
}

/** What {@link PushRecords.add} has written; what is not like that is left out. Never throws. */
export function parsePushRecord(text: string): Map<string, PushedImage> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new Map();
  }
  const entries = Array.isArray(value) ? (value as unknown[]) : [];
  return new Map(
    entries.flatMap((entry) => {
      const [ref, image] = Array.isArray(entry) ? (entry as unknown[]) : [];
      if (typeof ref !== "string" || typeof image !== "object" || image === null) return [];
      const { imageId, digest } = image as Record<string, unknown>;
      if (typeof imageId !== "string" || typeof digest !== "string") return [];
      return [[ref, { imageId, digest }] as const];
    }),
  );
}
