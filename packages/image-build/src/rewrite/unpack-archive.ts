import { createWriteStream } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract } from "tar-stream";
import { z } from "zod";
import { ImageBuildError } from "../errors.js";

/** An image of `docker save` on disk: its configuration and the files its layers lie in. */
export interface UnpackedImage {
  readonly config: Readonly<Record<string, unknown>>;
  /** Paths of the uncompressed tars, lowest first. */
  readonly layers: readonly string[];
}

const MANIFEST = z
  .array(z.looseObject({ Config: z.string(), Layers: z.array(z.string()).max(1000) }))
  .length(1);
const CONFIG = z.record(z.string(), z.unknown());

/**
 * Writes the parts of an archive into `directory` under names of our own, so that nothing in it
 * decides where it lands. Throws `ERR_BUILD_TRUNCATED` for what is no archive of one image.
 */
export async function unpackArchive(
  archive: Readable,
  directory: string,
  signal: AbortSignal,
): Promise<UnpackedImage> {
  const files = new Map<string, string>();
  const links = new Map<string, string>();
  const tar = extract();
  const feed = pipeline(archive, tar, { signal });
  try {
    for await (const entry of tar) {
      const { name, type, linkname } = entry.header;
      const path = posix.normalize(name);
      if (type === "file") {
        const file = join(directory, `part-${files.size}`);
        files.set(path, file);
        await pipeline(entry, createWriteStream(file, { mode: 0o600 }), { signal });
      } else {
        if (type === "symlink") links.set(path, posix.join(posix.dirname(path), linkname ?? ""));
        entry.resume();
      }
    }
    await feed;
  } catch (error) {
    archive.destroy();
    await feed.catch(() => {});
    signal.throwIfAborted();
    throw error;
  }
  const fileOf = (name: string): string => {
    const path = posix.normalize(name);
    const file = files.get(path) ?? files.get(links.get(path) ?? "");
    if (file === undefined) throw unreadable(`${path.slice(0, 100)} is missing`);
    return file;
  };
  const manifest = MANIFEST.safeParse(await readJson(fileOf("manifest.json")));
  const [image] = manifest.success ? manifest.data : [];
  if (image === undefined) throw unreadable("its manifest is none");
  const config = CONFIG.safeParse(await readJson(fileOf(image.Config)));
  if (!config.success) throw unreadable("its configuration is none");
  return { config: config.data, layers: image.Layers.map(fileOf) };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, "utf8")) as unknown;
  } catch (cause) {
    throw unreadable("a part of it is no JSON", cause);
  }
}

function unreadable(reason: string, cause?: unknown): ImageBuildError {
  return new ImageBuildError(
    "ERR_BUILD_TRUNCATED",
    `The engine did not give the whole image: ${reason}.`,
    {
      hint: "Check the space on the engine's disk and in the temporary directory, then build again.",
      retryable: true,
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
