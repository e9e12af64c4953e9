import { connect, constants } from "node:http2";
import type { Duplex } from "node:stream";

const LARGEST_ANSWER_BYTES = 1024 * 1024;
const FRAME_HEADER_BYTES = 5;

/**
 * One gRPC call with an empty request over a connection of its own, which is closed in the end.
 * Resolves to the message of the answer. Rejects with the error of the connection, with an `Error`
 * that says what was wrong about the answer, or with `signal.reason` on abort.
 */
export async function callGrpc(
  connection: Duplex,
  options: { readonly path: string; readonly signal: AbortSignal },
): Promise<Buffer> {
  const { path, signal } = options;
  signal.throwIfAborted();
  const session = connect("http://buildkit", { createConnection: () => connection });
  const { promise, resolve, reject } = withResolvers<Buffer>();
  const onAbort = (): void => {
    reject(signal.reason);
  };
  signal.addEventListener("abort", onAbort, { once: true });
  // A refused client certificate shows on the socket, after the handshake.
  connection.on("error", reject);
  connection.on("close", () => {
    reject(new Error("the connection was closed without an answer"));
  });
  session.on("error", reject);
  try {
    const stream = session.request({
      [constants.HTTP2_HEADER_METHOD]: "POST",
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: "application/grpc",
      [constants.HTTP2_HEADER_TE]: "trailers",
    });
    const chunks: Buffer[] = [];
    let length = 0;
    let status: unknown;
    stream.on("response", (headers) => {
      if (headers[":status"] !== 200) {
        reject(new Error(`the answer has HTTP status ${String(headers[":status"])}`));
      }
      status ??= headers["grpc-status"];
    });
    stream.on("trailers", (trailers) => (status = trailers["grpc-status"]));
    stream.on("data", (chunk: Buffer) => {
      length += chunk.length;
      if (length > LARGEST_ANSWER_BYTES) reject(new Error("the answer is too large"));
      else chunks.push(chunk);
    });
    stream.on("error", reject);
    stream.on("end", () => {
      if (String(status) === "0") resolve(Buffer.concat(chunks));
      else reject(new Error(`the call was refused (gRPC status ${String(status)})`));
    });
    stream.end(Buffer.alloc(FRAME_HEADER_BYTES));
    return unframe(await promise);
  } finally {
    signal.removeEventListener("abort", onAbort);
    // What a torn down connection still says is of no interest.
    session.on("error", () => {});
    connection.on("error", () => {});
    session.destroy();
    connection.destroy();
  }
}

function unframe(bytes: Buffer): Buffer {
  const isCompressed = bytes[0] !== 0;
  if (bytes.length < FRAME_HEADER_BYTES || isCompressed) {
    throw new Error("the answer is no gRPC message");
  }
  return bytes.subarray(FRAME_HEADER_BYTES, FRAME_HEADER_BYTES + bytes.readUInt32BE(1));
}

function withResolvers<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (reason: unknown) => void;
} {
  let resolve!: (value: T) => void;
  let reject!: (reason: unknown) => void;
  const promise = new Promise<T>((onValue, onReason) => {
    resolve = onValue;
    reject = onReason;
  });
  return { promise, resolve, reject };
}
