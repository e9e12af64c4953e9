import type { LogChunk } from "./engine.js";
import { protocolError } from "./errors.js";

/** Decodes the engine's multiplexed output; made by {@link createLogDecoder}. */
export interface LogDecoder {
  /** The pieces in `bytes`. Throws `ERR_ENGINE_PROTOCOL` when they are not framed. */
  decode(bytes: Buffer): LogChunk[];
  /** True between frames: a stream that ends elsewhere was cut. */
  readonly complete: boolean;
}

const HEADER_BYTES = 8;

/**
 * Decoder for the frames of 8 header bytes (stream, 3 zero, length in big endian) and payload. A
 * frame's payload is passed on as it arrives, so no frame length can make it grow.
 */
export function createLogDecoder(subject: string): LogDecoder {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  let stream: LogChunk["stream"] = "stdout";
  let left = 0;
  return {
    get complete() {
      return headerBytes === 0 && left === 0;
    },
    decode(bytes) {
      const chunks: LogChunk[] = [];
      let offset = 0;
      while (offset < bytes.length) {
        if (left > 0) {
          const payload = bytes.subarray(offset, offset + left);
          chunks.push({ stream, bytes: payload });
          offset += payload.length;
          left -= payload.length;
          continue;
        }
        const taken = bytes.copy(header, headerBytes, offset, offset + HEADER_BYTES - headerBytes);
        headerBytes += taken;
        offset += taken;
        if (headerBytes < HEADER_BYTES) break;
        headerBytes = 0;
        stream = streamOf(header, subject);
        left = header.readUInt32BE(4);
      }
      return chunks;
    },
  };
}

function streamOf(header: Buffer, subject: string): LogChunk["stream"] {
  const [kind, ...zeros] = header.subarray(0, 4);
  if (zeros.some((byte) => byte !== 0)) throw protocolError(subject, NOT_FRAMED);
  switch (kind) {
    // 0 is stdin, which the engine writes to stdout.
    case 0:
    case 1:
      return "stdout";
    // 3 carries the engine's own error text.
    case 2:
    case 3:
      return "stderr";
    default:
      throw protocolError(subject, NOT_FRAMED);
  }
}

const NOT_FRAMED = "the output is not framed as the engine frames it";
