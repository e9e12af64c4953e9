import { ImageBuildError } from "../errors.js";

const BLOCK = 512;
const SIZE = { at: 124, length: 12 } as const;
const MTIME = { at: 136, length: 12 } as const;
const CHECKSUM = { at: 148, length: 8 } as const;
const TYPE_AT = 156;
/** Links, devices, directories and pipes have no content, whatever size they tell. */
const WITHOUT_CONTENT = new Set(["1", "2", "3", "4", "5", "6"]);
const LARGEST_EXTENDED_HEADER = 1024 * 1024;

/**
 * The same tar with no modification time later than `epoch` (Unix seconds). Everything else stays
 * byte for byte: only the field of the time, in the header and in an extended one, and the checksum
 * are written over. A tar without such a time comes out as it went in. Throws `ERR_BUILD_TRUNCATED`.
 */
export async function* clampTar(
  source: AsyncIterable<Buffer>,
  epoch: number,
): AsyncGenerator<Buffer> {
  let held: Buffer = Buffer.alloc(0);
  /** Bytes of content that pass through before the next header. */
  let content = 0;
  let extended: { readonly size: number } | undefined;
  let sizeOfNext: number | undefined;
  for await (const chunk of source) {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    for (;;) {
      if (content > 0) {
        const passed = held.subarray(0, content);
        content -= passed.length;
        held = held.subarray(passed.length);
        if (passed.length > 0) yield passed;
        if (content > 0) break;
      }
      const wanted = extended === undefined ? BLOCK : padded(extended.size);
      if (held.length < wanted) break;
      const block = Buffer.from(held.subarray(0, wanted));
      held = held.subarray(wanted);
      if (extended !== undefined) {
        sizeOfNext = clampExtended(block.subarray(0, extended.size), epoch) ?? sizeOfNext;
        extended = undefined;
      } else if (!block.every((byte) => byte === 0)) {
        const { type, size } = clampHeader(block, epoch);
        if (type === "x" || type === "g") {
          if (size > LARGEST_EXTENDED_HEADER) throw noTar();
          if (size > 0) extended = { size };
        } else {
          content = WITHOUT_CONTENT.has(type) ? 0 : padded(sizeOfNext ?? size);
          if (type !== "L" && type !== "K") sizeOfNext = undefined;
        }
      }
      yield block;
    }
  }
  if (held.length > 0 || content > 0 || extended !== undefined) throw noTar();
}

function clampHeader(
  block: Buffer,
  epoch: number,
): { readonly type: string; readonly size: number } {
  if (numberAt(block, CHECKSUM) !== checksumOf(block)) throw noTar();
  if (numberAt(block, MTIME) > epoch) {
    block.write(`${epoch.toString(8).padStart(MTIME.length - 1, "0")}\0`, MTIME.at, "latin1");
    block.write(
      `${checksumOf(block).toString(8).padStart(6, "0")}\0 `,
      CHECKSUM.at,
      CHECKSUM.length,
      "latin1",
    );
  }
  return { type: String.fromCharCode(block[TYPE_AT] ?? 0), size: numberAt(block, SIZE) };
}

/** Records of `<length> <key>=<value>\n`; gives the size one of them tells. The length of none changes. */
function clampExtended(records: Buffer, epoch: number): number | undefined {
  let size: number | undefined;
  for (let at = 0; at < records.length;) {
    const space = records.indexOf(0x20, at);
    const length = space === -1 ? 0 : Number(records.toString("latin1", at, space));
    const end = at + length;
    if (!Number.isSafeInteger(length) || end <= space || end > records.length) throw noTar();
    const equals = records.indexOf(0x3d, space);
    if (equals === -1 || equals >= end) throw noTar();
    const key = records.toString("latin1", space + 1, equals);
    const value = records.toString("latin1", equals + 1, end - 1);
    if (key === "size") size = Number(value);
    if (key === "mtime" && Number(value) > epoch) {
      const whole = value.split(".", 1)[0]?.length ?? 0;
      const text = String(epoch).padStart(whole, "0");
      // A time later than `epoch` has at least as many digits.
      records.write(text, equals + 1, "latin1");
      records.fill("0", equals + 1 + whole + 1, end - 1, "latin1");
    }
    at = end;
  }
  if (size !== undefined && !(Number.isSafeInteger(size) && size >= 0)) throw noTar();
  return size;
}

/** Octal text, or base 256 when the highest bit is set. */
function numberAt(block: Buffer, field: { readonly at: number; readonly length: number }): number {
  const bytes = block.subarray(field.at, field.at + field.length);
  const first = bytes[0] ?? 0;
  if ((first & 0x80) === 0) {
    const digits = bytes
      .toString("latin1")
      .replace(/[\0 ]+$/, "")
      .trim();
    const value = digits === "" ? 0 : /^[0-7]+$/.test(digits) ? parseInt(digits, 8) : -1;
    if (value < 0) throw noTar();
    return value;
  }
  if ((first & 0x40) !== 0) return 0; // A time before 1970.
  let value = first & 0x3f;
  for (const byte of bytes.subarray(1)) value = value * 256 + byte;
  if (!Number.isSafeInteger(value)) throw noTar();
  return value;
}

function checksumOf(block: Buffer): number {
  let sum = 0;
  for (const [at, byte] of block.entries()) {
    const inField = at >= CHECKSUM.at && at < CHECKSUM.at + CHECKSUM.length;
    sum += inField ? 0x20 : byte;
  }
  return sum;
}

function padded(size: number): number {
  return Math.ceil(size / BLOCK) * BLOCK;
}

function noTar(): ImageBuildError {
  return new ImageBuildError("ERR_BUILD_TRUNCATED", "A layer of the image is no whole tar.", {
    hint: "Check the space on the engine's disk, then build again.",
    retryable: true,
  });
}
