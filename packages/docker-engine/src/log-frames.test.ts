import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogChunk } from "./engine.js";
import { createLogDecoder } from "./log-frames.js";

function frame(stream: number, payload: Uint8Array): Buffer {
  const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function joined(chunks: readonly LogChunk[], stream: LogChunk["stream"]): Buffer {
  return Buffer.concat(chunks.filter((c) => c.stream === stream).map((c) => c.bytes));
}

describe("createLogDecoder", () => {
  it("gives each stream its bytes back, wherever the connection cuts", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(0, 1, 2, 3), fc.uint8Array())),
        fc.integer({ min: 1, max: 20 }),
        (frames, size) => {
          const bytes = Buffer.concat(frames.map(([stream, payload]) => frame(stream, payload)));
          const decoder = createLogDecoder("log");
          const chunks: LogChunk[] = [];
          for (let i = 0; i < bytes.length; i += size) {
            chunks.push(...decoder.decode(bytes.subarray(i, i + size)));
          }
          const expected = (kinds: number[]): Buffer =>
            Buffer.concat(
              frames.filter(([kind]) => kinds.includes(kind)).map(([, payload]) => payload),
            );
          expect(joined(chunks, "stdout").equals(expected([0, 1]))).toBe(true);
          expect(joined(chunks, "stderr").equals(expected([2, 3]))).toBe(true);
          expect(decoder.complete).toBe(true);
        },
      ),
    );
  });

  it("knows when a stream was cut", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.nat(), (payload, at) => {
        const bytes = frame(1, payload);
        const decoder = createLogDecoder("log");
        decoder.decode(bytes.subarray(0, 1 + (at % (bytes.length - 1))));
        expect(decoder.complete).toBe(false);
      }),
    );
  });

  it("passes a huge frame on without waiting for its end", () => {
    const decoder = createLogDecoder("log");
    const header = Buffer.from([1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]);
    expect(decoder.decode(Buffer.concat([header, Buffer.from("abc")]))).toEqual([
      { stream: "stdout", bytes: Buffer.from("abc") },
    ]);
  });

  it("refuses output that is not framed", () => {
    for (const text of ["plain text\n", "\u0001plain text"]) {
      expect(() => createLogDecoder("log").decode(Buffer.from(text))).toThrow(
        expect.objectContaining({ code: "ERR_ENGINE_PROTOCOL" }) as Error,
      );
    }
  });
});
