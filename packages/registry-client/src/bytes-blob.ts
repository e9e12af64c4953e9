import { Readable } from "node:stream";
import type { BlobSource } from "./client.js";
import { digestOf } from "./digest.js";

/** Bytes in memory as something to push. */
export function bytesBlob(bytes: Buffer): BlobSource {
  return {
    digest: digestOf(bytes),
    sizeBytes: bytes.length,
    open: () => Readable.from([bytes], { objectMode: false }),
  };
}
