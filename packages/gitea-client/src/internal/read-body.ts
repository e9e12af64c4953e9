import type { Readable } from "node:stream";

import { GiteaError } from "../errors.js";

/**
 * Reads a whole body as UTF-8. More than `maxBytes` is `ERR_GITEA_BODY_TOO_LARGE`, known from the
 * Content-Length or after the first byte too many; the connection is closed then.
 */
export async function readBody(
  body: Readable,
  options: {
    readonly contentLength: string | undefined;
    readonly maxBytes: number;
    readonly subject: string;
  },
): Promise<string> {
  const { maxBytes } = options;
  if (Number(options.contentLength ?? 0) > maxBytes) {
    discard(body);
    throw bodyTooLarge(options.subject, maxBytes, "maxBodyBytes");
  }
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes) {
      discard(body);
      throw bodyTooLarge(options.subject, maxBytes, "maxBodyBytes");
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Gives up a body and its connection. */
export function discard(body: Readable): void {
  // undici reports the end of an unread body as an error; here it is wanted.
  body.on("error", () => {});
  body.destroy();
}

export function bodyTooLarge(subject: string, maxBytes: number, option: string): GiteaError {
  return new GiteaError(
    "ERR_GITEA_BODY_TOO_LARGE",
    `The answer about ${subject} is larger than ${maxBytes} bytes.`,
    {
      hint: `Check that the address belongs to a Gitea server, or raise the option ${option}.`,
      details: { maxBytes },
    },
  );
}
