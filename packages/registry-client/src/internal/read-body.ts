import type { Readable } from "node:stream";

/** Reads a whole body; undefined when it is longer than `maxBytes`, and the connection is closed then. */
export async function readBody(
  body: Readable,
  maxBytes: number,
  onChunk?: () => void,
): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    onChunk?.();
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      discard(body);
      return undefined;
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Gives up a body and its connection. */
export function discard(body: Readable): void {
  // undici reports the end of an unread body as an error; here it is wanted.
  body.on("error", () => {});
  body.destroy();
}
