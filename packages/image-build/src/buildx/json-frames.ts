export interface JsonFramesOptions {
  /** A JSON object that stood by itself. */
  readonly onValue: (value: object) => void;
  /** A line that is no JSON: warnings, the error of a build. */
  readonly onText: (line: string) => void;
  /** A longer object is dropped, and `onOversized` called; default 8 MiB. */
  readonly maxBytes?: number | undefined;
  readonly onOversized?: (() => void) | undefined;
}

/** Takes apart JSON objects with other lines between them, in pieces that are cut anywhere. */
export interface JsonFrames {
  write(chunk: Uint8Array): void;
  /** What is left over becomes lines. */
  end(): void;
}

const DEFAULT_MAX_BYTES = 8 * 1024 * 1024;
const MAX_LINE_BYTES = 64 * 1024;

const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;

/**
 * Reads what `--progress=rawjson` prints. Objects are found by their braces and not by lines, since
 * the first versions of buildx that know it indent them. One pass over the bytes, whatever they are;
 * what began like an object and is none comes out as lines.
 */
export function createJsonFrames(options: JsonFramesOptions): JsonFrames {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  let mode: "idle" | "line" | "object" = "idle";
  let depth = 0;
  let inString = false;
  let escaped = false;
  let held: Buffer[] = [];
  let heldBytes = 0;

  const hold = (piece: Buffer): void => {
    const limit = mode === "line" ? MAX_LINE_BYTES : maxBytes;
    const room = Math.max(0, limit - heldBytes);
    heldBytes += piece.length;
    if (room > 0) held.push(piece.length <= room ? piece : piece.subarray(0, room));
  };
  const take = (): Buffer => {
    const bytes = held.length === 1 ? (held[0] as Buffer) : Buffer.concat(held);
    held = [];
    heldBytes = 0;
    mode = "idle";
    depth = 0;
    inString = false;
    escaped = false;
    return bytes;
  };
  const endLines = (): void => {
    for (const line of take().toString("utf8").split("\n")) {
      const text = line.trimEnd();
      if (text !== "") options.onText(text);
    }
  };
  const endObject = (): void => {
    if (heldBytes > maxBytes) {
      take();
      options.onOversized?.();
      return;
    }
    const bytes = take();
    let value: unknown;
    try {
      value = JSON.parse(bytes.toString("utf8"));
    } catch {
      held = [bytes];
      endLines();
      return;
    }
    options.onValue(value as object);
  };

  /** The index after the object or the broken string in it; the length when neither ends here. */
  const scanObject = (bytes: Buffer, from: number): number => {
    for (let at = from; at < bytes.length; at += 1) {
      const byte = bytes[at] as number;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === QUOTE) inString = false;
        else if (byte === BACKSLASH) escaped = true;
        // No JSON has a line end in a string: this is something else, and the next line may be JSON.
        if (byte === NEWLINE) {
          mode = "line";
          return at;
        }
      } else if (byte === QUOTE) inString = true;
      else if (byte === OPEN) depth += 1;
      else if (byte === CLOSE) {
        depth -= 1;
        if (depth === 0) return at + 1;
      }
    }
    return bytes.length;
  };

  return {
    write(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let at = 0;
      while (at < bytes.length) {
        const byte = bytes[at] as number;
        if (mode === "idle") {
          if (byte === NEWLINE || byte === RETURN || byte === SPACE) {
            at += 1;
            continue;
          }
          mode = byte === OPEN ? "object" : "line";
        }
        const from = at;
        if (mode === "object") {
          at = scanObject(bytes, from);
          hold(bytes.subarray(from, at));
          if (mode !== "object") endLines();
          else if (depth === 0) endObject();
        } else {
          const end = bytes.indexOf(NEWLINE, from);
          at = end === -1 ? bytes.length : end;
          hold(bytes.subarray(from, at));
          if (end !== -1) endLines();
        }
      }
    },
    end: endLines,
  };
}
