import { Readable } from "node:stream";
import { RegistryError, tooLarge, wrongDigest } from "../errors.js";
import { formatDigest, hashLike } from "../digest.js";
import { disconnected, silent } from "./failures.js";
import { discard } from "./read-body.js";

/** What bytes have to be, and whom to blame when they are not. */
export interface ExpectedBytes {
  readonly digest: string;
  /** Undefined when only the digest is known. */
  readonly sizeBytes: number | undefined;
  readonly host: string;
  readonly subject: string;
}

/** Nothing is read further than this where nobody says how long it is. */
const MOST_BYTES = 64 * 1024 ** 3;

/**
 * The pieces of `body`, and a failure instead of an end when they were not what was expected. A
 * piece too many fails before it is given on.
 */
export async function* verifiedChunks(
  body: AsyncIterable<Uint8Array>,
  { digest, sizeBytes, host, subject }: ExpectedBytes,
): AsyncGenerator<Uint8Array, void, undefined> {
  const hash = hashLike(digest);
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (sizeBytes !== undefined && bytes > sizeBytes) {
      throw wrongDigest(host, subject, `there are more than the ${sizeBytes} bytes it has`);
    }
    if (bytes > MOST_BYTES) throw tooLarge(host, subject, MOST_BYTES);
    hash.update(chunk);
    yield chunk;
  }
  if (sizeBytes !== undefined && bytes < sizeBytes) {
    throw wrongDigest(host, subject, `it ended after ${bytes} of ${sizeBytes} bytes`);
  }
  const found = formatDigest(hash, digest);
  if (found !== digest) throw wrongDigest(host, subject, `its bytes have the digest ${found}`);
}

/**
 * A registry's body as a stream of verified bytes with a limit on its silence. Destroying it, an
 * abort and any failure close the connection; after an abort the error is its reason.
 */
export function verifiedStream(
  body: Readable,
  expected: ExpectedBytes,
  limits: { readonly idleTimeoutMs: number; readonly signal: AbortSignal | undefined },
): Readable {
  const { signal, idleTimeoutMs } = limits;
  const { host, subject } = expected;
  const chunks = verifiedChunks(body as AsyncIterable<Uint8Array>, expected);
  const stream = new Readable({
    read() {
      nextChunk().then(
        (chunk) => stream.push(chunk),
        (error: unknown) => stream.destroy(error as Error),
      );
    },
    destroy(error, callback) {
      signal?.removeEventListener("abort", onAbort);
      discard(body);
      callback(error);
    },
  });
  // A stream that nobody reads yet may fail without ending the process.
  stream.on("error", () => {});
  const onAbort = (): void => {
    stream.destroy(signal?.reason as Error);
  };
  signal?.addEventListener("abort", onAbort, { once: true });
  if (signal?.aborted === true) onAbort();
  return stream;

  // The limit runs only while we wait for the registry, not while the reader takes its time.
  async function nextChunk(): Promise<Uint8Array | null> {
    let isSilent = false;
    const timer = setTimeout(() => {
      isSilent = true;
      discard(body);
    }, idleTimeoutMs);
    try {
      const next = await chunks.next();
      if (isSilent) throw silent(host, subject, idleTimeoutMs);
      return next.done === true ? null : next.value;
    } catch (error) {
      if (isSilent) throw silent(host, subject, idleTimeoutMs);
      throw error instanceof RegistryError ? error : disconnected(error, host, subject);
    } finally {
      clearTimeout(timer);
    }
  }
}
