import { createHash } from "node:crypto";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract } from "tar-stream";
import { ImageTrustError } from "../errors.js";
import type { ArchiveEntry } from "./archive-entry.js";
import type { LayerContents, LayerEntry } from "./image-contents.js";

/** What one image may hold at most, so that a hostile one cannot exhaust us. */
export interface ContentsLimits {
  readonly entries: number;
  readonly bytes: number;
}

export const DEFAULT_CONTENTS_LIMITS: ContentsLimits = { entries: 500_000, bytes: 32 * 1024 ** 3 };

/** Counts over all layers of an image. Throws `ERR_TRUST_IMAGE_UNREADABLE` beyond the limits. */
export class ContentsMeter {
  #entries = 0;
  #bytes = 0;
  readonly #limits: ContentsLimits;

  constructor(limits: ContentsLimits = DEFAULT_CONTENTS_LIMITS) {
    this.#limits = limits;
  }

  count(entries: number, bytes: number): void {
    this.#entries += entries;
    this.#bytes += bytes;
    if (this.#entries > this.#limits.entries || this.#bytes > this.#limits.bytes) {
      throw new ImageTrustError(
        "ERR_TRUST_IMAGE_UNREADABLE",
        `The image has more than ${this.#limits.entries} files or ${this.#limits.bytes} bytes.`,
        { hint: "Compare a smaller image, or raise the limits." },
      );
    }
  }
}

const TYPES: Readonly<Record<string, LayerEntry["type"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "directory",
  symlink: "symlink",
  link: "link",
  "character-device": "device",
  "block-device": "device",
  fifo: "device",
};

/** Reads one layer, compressed with gzip or not, and hashes every file in it and the whole. */
export async function readLayer(
  source: Readable,
  meter: ContentsMeter,
  signal: AbortSignal | undefined,
): Promise<LayerContents> {
  const hash = createHash("sha256");
  const entries: LayerEntry[] = [];
  const tar = extract();
  const whole = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      hash.update(chunk);
      meter.count(0, chunk.length);
      yield chunk;
    }
  };
  const { stream, isCompressed } = await peek(source);
  const feed = isCompressed
    ? pipeline(stream, createGunzip(), whole, tar, { signal })
    : pipeline(stream, whole, tar, { signal });
  try {
    for await (const entry of tar as AsyncIterable<ArchiveEntry>) {
      meter.count(1, 0);
      entries.push(await describe(entry));
    }
    await feed;
  } catch (error) {
    await feed.catch(() => {});
    signal?.throwIfAborted();
    if (error instanceof ImageTrustError) throw error;
    throw new ImageTrustError("ERR_TRUST_IMAGE_UNREADABLE", "A layer of the image is no tar.", {
      hint: "Build or pull the image again.",
      cause: error,
    });
  }
  return { diffId: `sha256:${hash.digest("hex")}`, entries };
}

async function describe(entry: ArchiveEntry): Promise<LayerEntry> {
  const { name, type, mode, uid, gid, mtime, size, linkname } = entry.header;
  const kind = TYPES[type ?? "file"] ?? "other";
  let digest = "";
  if (kind === "file") {
    const hash = createHash("sha256");
    for await (const chunk of entry) hash.update(chunk as Buffer);
    digest = `sha256:${hash.digest("hex")}`;
  } else {
    entry.resume();
  }
  return {
    path: name.replace(/^(?:\.\/)+/, "").replace(/(?<!^)\/$/, ""),
    type: kind,
    mode: mode ?? 0,
    uid: uid ?? 0,
    gid: gid ?? 0,
    modifiedAt: mtime === undefined ? 0 : Math.floor(mtime.getTime() / 1000),
    sizeBytes: size ?? 0,
    digest,
    target: linkname ?? "",
  };
}

/** Looks at the first bytes of a stream without taking them. */
async function peek(
  source: Readable,
): Promise<{ readonly stream: AsyncIterable<Buffer>; readonly isCompressed: boolean }> {
  const iterator = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await iterator.next();
  const head = first.done === true ? Buffer.alloc(0) : first.value;
  const stream = async function* (): AsyncGenerator<Buffer> {
    if (first.done === true) return;
    yield head;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true) return;
      yield next.value;
    }
  };
  return { stream: stream(), isCompressed: head[0] === 0x1f && head[1] === 0x8b };
}
