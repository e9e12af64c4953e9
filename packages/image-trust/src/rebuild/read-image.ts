import { createHash } from "node:crypto";
import { posix } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { JsonObject } from "@molecule-ai/core";
import { extract } from "tar-stream";
import { z } from "zod";
import { ImageTrustError } from "../errors.js";
import type { ArchiveEntry } from "./archive-entry.js";
import type { ImageContents, LayerContents } from "./image-contents.js";
import { ContentsMeter, readLayer, type ContentsLimits } from "./read-layer.js";

export interface ReadImageOptions {
  readonly limits?: ContentsLimits | undefined;
  readonly signal?: AbortSignal | undefined;
}

const MANIFEST = z
  .array(z.looseObject({ Config: z.string(), Layers: z.array(z.string()).max(1000) }))
  .length(1);
const CONFIG = z.record(z.string(), z.json());
/** Configurations and manifests are far smaller; everything larger is a layer. */
const LARGEST_JSON_BYTES = 8 * 1024 * 1024;

/**
 * Takes apart what `docker save` writes of one image, as it streams: nothing is put on disk, and only
 * hashes are kept of the files. Throws `ERR_TRUST_IMAGE_UNREADABLE` for anything else.
 */
export async function readImage(
  archive: Readable,
  { limits, signal }: ReadImageOptions = {},
): Promise<ImageContents> {
  const meter = new ContentsMeter(limits);
  const texts = new Map<string, Buffer>();
  const layers = new Map<string, LayerContents>();
  /** A layer that occurs twice is a link to the first. */
  const links = new Map<string, string>();
  const tar = extract();
  const feed = pipeline(archive, tar, { signal });
  try {
    for await (const entry of tar as AsyncIterable<ArchiveEntry>) {
      const { name, type, linkname, size } = entry.header;
      const path = posix.normalize(name);
      if (type === "symlink" || type === "link") {
        links.set(path, posix.join(type === "link" ? "" : posix.dirname(path), linkname ?? ""));
        entry.resume();
      } else if (type !== "file") {
        entry.resume();
      } else if (await isLayer(path, entry, size)) {
        layers.set(path, await readLayer(entry, meter, signal));
      } else {
        texts.set(path, await readAll(entry));
      }
    }
    await feed;
  } catch (error) {
    archive.destroy();
    await feed.catch(() => {});
    signal?.throwIfAborted();
    if (error instanceof ImageTrustError) throw error;
    throw unreadable("what the engine sent of it is no archive", error);
  }
  return assemble({ texts, layers, links });
}

/** In the old form a layer has a name of its own; in the new one it is a blob that is no JSON. */
async function isLayer(path: string, entry: ArchiveEntry, size: number): Promise<boolean> {
  if (path.endsWith("/layer.tar")) return true;
  if (!path.startsWith("blobs/")) return false;
  if (size > LARGEST_JSON_BYTES) return true;
  const [first] = await firstBytes(entry);
  return first !== 0x7b && first !== 0x5b;
}

/** Reads the first chunk of a stream and puts it back. */
async function firstBytes(stream: Readable): Promise<Buffer> {
  if (stream.readableLength === 0) {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        stream.off("readable", done).off("end", done).off("error", done);
        resolve();
      };
      stream.once("readable", done).once("end", done).once("error", done);
    });
  }
  const chunk = stream.read() as Buffer | null;
  if (chunk === null) return Buffer.alloc(0);
  stream.unshift(chunk);
  return chunk;
}

async function readAll(entry: ArchiveEntry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of entry) {
    length += (chunk as Buffer).length;
    if (length > LARGEST_JSON_BYTES) throw unreadable("a description in it is far too large");
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function assemble(parts: {
  readonly texts: ReadonlyMap<string, Buffer>;
  readonly layers: ReadonlyMap<string, LayerContents>;
  readonly links: ReadonlyMap<string, string>;
}): ImageContents {
  const manifest = MANIFEST.safeParse(jsonOf(parts.texts.get("manifest.json")));
  if (!manifest.success) throw unreadable("it has no manifest, or several images");
  const [image] = manifest.data;
  const bytes = parts.texts.get(posix.normalize(image?.Config ?? ""));
  const config = CONFIG.safeParse(jsonOf(bytes));
  if (bytes === undefined || !config.success) throw unreadable("it has no configuration");
  const layers = (image?.Layers ?? []).map((name) => {
    const path = posix.normalize(name);
    const layer = parts.layers.get(path) ?? parts.layers.get(parts.links.get(path) ?? "");
    if (layer === undefined) throw unreadable("one of its layers is missing");
    return layer;
  });
  const id = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  return { id, config: config.data satisfies JsonObject, layers };
}

function jsonOf(bytes: Buffer | undefined): unknown {
  try {
    return bytes === undefined ? undefined : (JSON.parse(bytes.toString("utf8")) as unknown);
  } catch {
    return undefined;
  }
}

function unreadable(reason: string, cause?: unknown): ImageTrustError {
  return new ImageTrustError(
    "ERR_TRUST_IMAGE_UNREADABLE",
    `The image cannot be taken apart: ${reason}.`,
    {
      hint: "Build or pull it again, and check that the engine's disk is not full.",
      ...(cause === undefined ? {} : { cause }),
    },
  );
}
