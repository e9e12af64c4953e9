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

/** How often lines may be wrong about where an object ends before they are not looked at any more. */
const MAX_MISTAKES = 8;
const LAST_LINE = Buffer.from("\n}");

/**
 * Reads what `--progress=rawjson` prints. Objects are found by their braces and not by lines, since
 * the first versions of buildx that know it indent them; lines only give a guess that is tried first.
 * Linear in the bytes, whatever they are; what began like an object and is none comes out as lines.
 */
export function createJsonFrames(options: JsonFramesOptions): JsonFrames {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  let mode: "idle" | "line" | "object" = "idle";
  let depth = 0;
  let inString = false;
  let escaped = false;
  let held: Buffer[] = [];
  let heldBytes = 0;
  let isLineStart = true;
  let mistakes = 0;

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
    const value = parseObject(bytes.toString("utf8"));
    if (value !== undefined) {
      options.onValue(value);
      return;
    }
    held = [bytes];
    endLines();
  };

  /** The index after the object or the broken string in it; the length when neither ends here. */
  const scanObject = (bytes: Buffer, from: number): number => {
    // Each byte of a build's output passes here: plain local variables are twice as fast.
    const { length } = bytes;
    let level = depth;
    let quoted = inString;
    let at = from;
    if (escaped) {
      escaped = false;
      at += 1;
    }
    while (at < length) {
      const byte = bytes[at] as number;
      at += 1;
      if (quoted) {
        if (byte === QUOTE) quoted = false;
        else if (byte === BACKSLASH) {
          if (at === length) escaped = true;
          at += 1;
        } else if (byte === NEWLINE) {
          // No JSON has a line end in a string: this is something else, and the next line may be JSON.
          mode = "line";
          return at - 1;
        }
      } else if (byte === QUOTE) quoted = true;
      else if (byte === OPEN) level += 1;
      else if (byte === CLOSE && (level -= 1) === 0) break;
    }
    depth = level;
    inString = quoted;
    return Math.min(at, length);
  };

  return {
    write(chunk) {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const guess = createGuess(bytes);
      let at = 0;
      while (at < bytes.length) {
        const byte = bytes[at] as number;
        if (mode === "idle") {
          if (byte === NEWLINE || byte === RETURN || byte === SPACE) {
            isLineStart ||= byte === NEWLINE;
            at += 1;
            continue;
          }
          if (byte === OPEN && isLineStart && mistakes < MAX_MISTAKES) {
            const end = guess(at);
            if (end !== -1 && end - at <= maxBytes) {
              const value = parseObject(bytes.toString("utf8", at, end));
              if (value !== undefined) {
                options.onValue(value);
                at = end;
                continue;
              }
              mistakes += 1;
            }
          }
          isLineStart = false;
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

/** Where an object that begins a line ends, if Go's encoder wrote it; -1 when that is not in sight. */
function createGuess(bytes: Buffer): (from: number) => number {
  // Looked for once for all that begin before it.
  let lastLine = -2;
  return (from) => {
    if (bytes[from + 1] !== NEWLINE) return bytes.indexOf(NEWLINE, from);
    if (lastLine !== -1 && lastLine < from) lastLine = bytes.indexOf(LAST_LINE, from);
    return lastLine === -1 ? -1 : lastLine + LAST_LINE.length;
  };
}

/** Undefined for what is no JSON. Only for what begins with a brace. */
function parseObject(text: string): object | undefined {
  try {
    return JSON.parse(text) as object;
  } catch {
    return undefined;
  }
}
