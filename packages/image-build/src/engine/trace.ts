import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";
import { ImageBuildError } from "../errors.js";
import type {
  BuildTrace,
  TraceLog,
  TraceStatus,
  TraceVertex,
  TraceWarning,
} from "../progress/build-trace.js";

/**
 * Decodes one `moby.buildkit.trace` message. Field numbers from
 * https://github.com/moby/buildkit/blob/v0.8.3/api/services/control/control.proto
 * and, for warnings, v0.10; they have not changed since. Unknown fields are skipped.
 *
 * Throws `ERR_BUILD_TRACE` for bytes that are no such message; never reads beyond them.
 */
export function decodeTrace(bytes: Uint8Array): BuildTrace {
  try {
    return decode(bytes);
  } catch (cause) {
    throw new ImageBuildError("ERR_BUILD_TRACE", "A progress message of BuildKit cannot be read.", {
      hint: "The build itself is not affected; check the versions of the engine and of this program.",
      cause,
    });
  }
}

function decode(bytes: Uint8Array): BuildTrace {
  const trace = {
    vertexes: [] as TraceVertex[],
    statuses: [] as TraceStatus[],
    logs: [] as TraceLog[],
    warnings: [] as TraceWarning[],
  };
  readFields(bytes, {
    1: { message: (field) => trace.vertexes.push(decodeVertex(field)) },
    2: { message: (field) => trace.statuses.push(decodeStatus(field)) },
    3: { message: (field) => trace.logs.push(decodeLog(field)) },
    4: { message: (field) => trace.warnings.push(decodeWarning(field)) },
  });
  return trace;
}

function decodeVertex(bytes: Uint8Array): TraceVertex {
  const vertex = {
    digest: "",
    name: "",
    cached: false,
    startedAt: undefined as number | undefined,
    completedAt: undefined as number | undefined,
    error: "",
  };
  readFields(bytes, {
    1: { message: (field) => (vertex.digest = text(field)) },
    3: { message: (field) => (vertex.name = text(field)) },
    4: { number: (value) => (vertex.cached = value !== 0) },
    5: { message: (field) => (vertex.startedAt = decodeTimestamp(field)) },
    6: { message: (field) => (vertex.completedAt = decodeTimestamp(field)) },
    7: { message: (field) => (vertex.error = text(field)) },
  });
  return vertex;
}

function decodeStatus(bytes: Uint8Array): TraceStatus {
  const status = { id: "", vertex: "", name: "", current: 0, total: 0 };
  readFields(bytes, {
    1: { message: (field) => (status.id = text(field)) },
    2: { message: (field) => (status.vertex = text(field)) },
    3: { message: (field) => (status.name = text(field)) },
    4: { number: (value) => (status.current = value) },
    5: { number: (value) => (status.total = value) },
  });
  return status;
}

function decodeLog(bytes: Uint8Array): TraceLog {
  const log = { vertex: "", stream: 0, bytes: Buffer.alloc(0) as Buffer };
  readFields(bytes, {
    1: { message: (field) => (log.vertex = text(field)) },
    3: { number: (value) => (log.stream = value) },
    4: { message: (field) => (log.bytes = Buffer.from(field)) },
  });
  return log;
}

function decodeWarning(bytes: Uint8Array): TraceWarning {
  const warning = { vertex: "", text: "", url: "" };
  readFields(bytes, {
    1: { message: (field) => (warning.vertex = text(field)) },
    3: { message: (field) => (warning.text = text(field)) },
    5: { message: (field) => (warning.url = text(field)) },
  });
  return warning;
}

function decodeTimestamp(bytes: Uint8Array): number {
  let seconds = 0;
  let nanos = 0;
  readFields(bytes, {
    1: { number: (value) => (seconds = value) },
    2: { number: (value) => (nanos = value) },
  });
  return seconds * 1000 + nanos / 1e6;
}

/** What to do with a field of each number: length-delimited ones and varints; others are skipped. */
type Fields = Readonly<
  Record<
    number,
    | { readonly message: (bytes: Uint8Array) => unknown; readonly number?: undefined }
    | { readonly number: (value: number) => unknown; readonly message?: undefined }
  >
>;

function readFields(bytes: Uint8Array, fields: Fields): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    const field = fields[number];
    if (field?.message !== undefined && wireType === WireType.LengthDelimited) {
      field.message(reader.bytes());
    } else if (field?.number !== undefined && wireType === WireType.Varint) {
      // Counters beyond 2^53 lose their last digits, which a progress display can bear.
      field.number(Number(reader.int64()));
    } else {
      reader.skip(wireType, number);
    }
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8");
}
