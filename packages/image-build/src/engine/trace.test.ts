import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type {
  BuildTrace,
  TraceLog,
  TraceStatus,
  TraceVertex,
  TraceWarning,
} from "../progress/build-trace.js";
import { decodeTrace } from "./trace.js";

function message(fill: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  fill(writer);
  return writer.finish();
}

const bytesField = (writer: BinaryWriter, number: number, value: Uint8Array): BinaryWriter =>
  writer.tag(number, WireType.LengthDelimited).bytes(value);
const textField = (writer: BinaryWriter, number: number, value: string): BinaryWriter =>
  bytesField(writer, number, Buffer.from(value, "utf8"));
const timeField = (writer: BinaryWriter, number: number, ms: number | undefined): void => {
  if (ms === undefined) return;
  bytesField(
    writer,
    number,
    message((time) => {
      time.tag(1, WireType.Varint).int64(Math.floor(ms / 1000));
      time.tag(2, WireType.Varint).int32((ms % 1000) * 1e6);
    }),
  );
};

function encodeTrace(trace: BuildTrace): Uint8Array {
  return message((out) => {
    for (const vertex of trace.vertexes) {
      const encoded = message((writer) => {
        textField(writer, 1, vertex.digest);
        textField(writer, 2, "sha256:an-input");
        textField(writer, 3, vertex.name);
        writer.tag(4, WireType.Varint).bool(vertex.cached);
        timeField(writer, 5, vertex.startedAt);
        timeField(writer, 6, vertex.completedAt);
        textField(writer, 7, vertex.error);
      });
      bytesField(out, 1, encoded);
    }
    for (const status of trace.statuses) {
      const encoded = message((writer) => {
        textField(writer, 1, status.id);
        textField(writer, 2, status.vertex);
        textField(writer, 3, status.name);
        writer.tag(4, WireType.Varint).int64(status.current);
        writer.tag(5, WireType.Varint).int64(status.total);
        timeField(writer, 6, 1);
      });
      bytesField(out, 2, encoded);
    }
    for (const log of trace.logs) {
      const encoded = message((writer) => {
        textField(writer, 1, log.vertex);
        timeField(writer, 2, 1);
        writer.tag(3, WireType.Varint).int64(log.stream);
        bytesField(writer, 4, log.bytes);
      });
      bytesField(out, 3, encoded);
    }
    for (const warning of trace.warnings) {
      const encoded = message((writer) => {
        textField(writer, 1, warning.vertex);
        writer.tag(2, WireType.Varint).int64(1);
        textField(writer, 3, warning.text);
        textField(writer, 4, "detail");
        textField(writer, 5, warning.url);
      });
      bytesField(out, 4, encoded);
    }
  });
}

const anyText = fc.string({ unit: "grapheme" });
const anyTime = fc.option(fc.integer({ min: 0, max: 4e12 }), { nil: undefined });
const anyCount = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const anyTrace = fc.record<BuildTrace>({
  vertexes: fc.array(
    fc.record<TraceVertex>({
      digest: anyText,
      name: anyText,
      cached: fc.boolean(),
      startedAt: anyTime,
      completedAt: anyTime,
      error: anyText,
    }),
  ),
  statuses: fc.array(
    fc.record<TraceStatus>({
      id: anyText,
      vertex: anyText,
      name: anyText,
      current: anyCount,
      total: anyCount,
    }),
  ),
  logs: fc.array(
    fc.record<TraceLog>({
      vertex: anyText,
      stream: fc.integer({ min: 0, max: 3 }),
      bytes: fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    }),
  ),
  warnings: fc.array(fc.record<TraceWarning>({ vertex: anyText, text: anyText, url: anyText })),
});

const decodes = (bytes: Uint8Array): boolean => {
  try {
    decodeTrace(bytes);
    return true;
  } catch (error) {
    expect(error).toMatchObject({ name: "ImageBuildError", code: "ERR_BUILD_TRACE" });
    return false;
  }
};

describe("decodeTrace", () => {
  it("gives back what was encoded, whatever else is between", () => {
    fc.assert(
      fc.property(anyTrace, (trace) => {
        expect(decodeTrace(encodeTrace(trace))).toEqual(trace);
      }),
    );
  });

  it("reads what a real engine sent", () => {
    const real = Buffer.from(
      "CrABCkdzaGEyNTY6MDY4ZjgxNjI2Y2RlODVkOWI0NTc0ODdiNzQwNmQwYzhiMTc5OWEzMTAwNjQwMzY0ODNi" +
        "YjJjNDlmZGQ3MGViYhofWzIvMl0gUlVOIGVjaG8gb25lICYmICAgZXhpdCAzKgwI6OTryAYQgICAgAIyDAjo5OvIBhCAgICAAzoWZXhpdCBjb2RlOiAz",
      "base64",
    );
    // A vertex cut short by hand: the reader must notice rather than invent.
    expect(decodes(real.subarray(0, 40))).toBe(false);
  });

  it("skips fields and wire types it does not know", () => {
    const bytes = message((out) => {
      out.tag(9, WireType.Varint).int64(7);
      out.tag(10, WireType.Bit64).fixed64(7);
      out.tag(11, WireType.Bit32).fixed32(7);
      textField(out, 12, "later");
      out.tag(1, WireType.Varint).int32(3);
      out.tag(13, WireType.StartGroup).tag(13, WireType.EndGroup);
    });
    expect(decodeTrace(bytes)).toEqual({ vertexes: [], statuses: [], logs: [], warnings: [] });
  });

  it.each([
    ["a length beyond the end", [0x0a, 0xff, 0xff, 0xff, 0xff, 0x07]],
    ["a length that never ends", [0x0a, ...Array<number>(20).fill(0xff)]],
    ["field number zero", [0x02, 0x00]],
    ["an unknown wire type", [0x0f]],
    ["groups without end", Array<number>(100_000).fill(0x0b)],
    ["a varint without end", [0x48, ...Array<number>(20).fill(0x80)]],
  ])("refuses %s", (_, bytes) => {
    expect(decodes(Uint8Array.from(bytes))).toBe(false);
  });

  it("takes any bytes, and either reads them or refuses them by code", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void decodes(bytes)),
      { numRuns: 1000 },
    );
  });

  it("takes damaged messages", () => {
    fc.assert(
      fc.property(anyTrace, fc.nat(), fc.nat({ max: 255 }), fc.nat(), (trace, at, byte, cut) => {
        const bytes = encodeTrace(trace);
        if (bytes.length === 0) return;
        bytes[at % bytes.length] = byte;
        decodes(bytes.subarray(0, cut % (bytes.length + 1)));
      }),
      { numRuns: 1000 },
    );
  });
});
