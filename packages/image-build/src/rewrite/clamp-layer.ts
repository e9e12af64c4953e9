import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { clampTar } from "./clamp-tar.js";

/** A layer in which no time is later than it should be. */
export interface ClampedLayer {
  readonly file: string;
  /** `sha256:…` of the tar. */
  readonly diffId: string;
}

/**
 * Writes `source`, a tar that may be compressed with gzip, to `target` with no time later than
 * `epoch`. Layers that need no change keep their digest, so those of a base image stay shared.
 */
export async function clampLayer(
  source: string,
  target: string,
  epoch: number,
  signal: AbortSignal,
): Promise<ClampedLayer> {
  const hash = createHash("sha256");
  const clamp = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const block of clampTar(chunks, epoch)) {
      hash.update(block);
      yield block;
    }
  };
  const input = createReadStream(source);
  const output = createWriteStream(target, { mode: 0o600 });
  await ((await isGzip(source))
    ? pipeline(input, createGunzip(), clamp, output, { signal })
    : pipeline(input, clamp, output, { signal }));
  return { file: target, diffId: `sha256:${hash.digest("hex")}` };
}

async function isGzip(file: string): Promise<boolean> {
  await using handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
  return bytesRead === 2 && buffer[0] === 0x1f && buffer[1] === 0x8b;
}
