import { Readable } from "node:stream";

import { GiteaError } from "../errors.js";
import { disconnected } from "./connection-failure.js";
import { bodyTooLarge, discard } from "./read-body.js";

/**
 * A body as a stream with an idle limit, a byte limit and typed errors. Destroying the stream, an
 * abort of `signal` and any failure close the connection; after an abort the error is its reason.
 */
export function boundArchive(
  body: Readable,
  options: {
    readonly signal: AbortSignal | undefined;
    readonly idleTimeoutMs: number;
    readonly maxBytes: number;
    readonly origin: string;
    readonly subject: string;
  },
): Readable {
  const { signal, origin, subject, maxBytes } = options;
  const chunks = body[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let bytes = 0;
  const stream = new Readable({
    read() {
      nextPiece().then(
        (piece) => stream.push(piece),
        (error: unknown) => stream.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      signal?.removeEventListener("abort", onAbort);
      discard(body);
      callback(error);
    },
  });
  const onAbort = (): void => {
    stream.destroy(signal?.reason as Error);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  return stream;

  /** The next bytes to give on, or null at the end of a whole archive. */
  async function nextPiece(): Promise<Buffer | null> {
    const next = await nextChunk();
    if (next.done === true) {
      if (bytes === 0) throw disconnected(undefined, origin, subject);
      return null;
    }
    // A sign-in page with status 200 would otherwise be unpacked.
    if (bytes === 0 && (next.value[0] !== 0x1f || (next.value[1] ?? 0x8b) !== 0x8b)) {
      throw new GiteaError(
        "ERR_GITEA_ANSWER_INVALID",
        `${origin} answered the question about ${subject} with something other than an archive.`,
        { hint: "Check that the address belongs to a Gitea, Forgejo or Gogs server." },
      );
    }
    bytes += next.value.byteLength;
    if (bytes > maxBytes) throw bodyTooLarge(subject, maxBytes, "maxArchiveBytes");
    return next.value;
  }

  // The limit runs only while we wait for the server, not while the reader takes its time.
  async function nextChunk(): Promise<IteratorResult<Buffer>> {
    const idle = new GiteaError(
      "ERR_GITEA_TIMEOUT",
      `${origin} sent nothing of ${subject} for ${options.idleTimeoutMs} ms.`,
      { hint: "Try again, or raise the option idleTimeoutMs.", retryable: true },
    );
    let isIdle = false;
    const timer = setTimeout(() => {
      isIdle = true;
      discard(body);
    }, options.idleTimeoutMs);
    try {
      const next = await chunks.next();
      if (isIdle) throw idle;
      return next;
    } catch (error) {
      throw isIdle ? idle : disconnected(error, origin, subject);
    } finally {
      clearTimeout(timer);
    }
  }
}
