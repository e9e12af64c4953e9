import { open, type FileHandle } from "node:fs/promises";
import type { EventSink, Warning } from "@molecule-ai/core";
import { ImageBuildError } from "../errors.js";
import { MAX_LINE_LENGTH } from "./step-output.js";

export interface BuildLogOptions {
  readonly path: string;
  /** Largest file; at least 64 KiB. */
  readonly limitBytes: number;
  /** Told once when lines can no longer be written, such as to a full disk. */
  readonly emit: EventSink<Warning>;
}

/**
 * The output of a build in a file of mode 0600. Of an output that is too long the first half and the
 * last half of the limit are kept, with a line between them that says how much was left out; only
 * closing puts the last half in order. Disposing writes what is left and closes; it never throws.
 */
export interface BuildLogFile extends AsyncDisposable {
  readonly path: string;
  /** One line, already redacted. Returns at once and never throws. */
  write(line: string): void;
}

/** A line of any characters fits into either half. */
const SMALLEST_LIMIT = 64 * 1024;
/** Room for the line that tells of the gap. */
const NOTE_BYTES = 64;
/** What waits for a disk that is slower than the build. */
const MAX_PENDING_BYTES = 4 * 1024 * 1024;
/** The start is worth a look after a crash, so the ring begins after it. */
const HEAD_SHARE = 0.5;

/** Makes or empties the file. Throws `ERR_BUILD_OPTIONS` when that cannot be done. */
export async function openBuildLog(options: BuildLogOptions): Promise<BuildLogFile> {
  const { path } = options;
  const file = await openPrivate(path);
  const limit = Math.max(SMALLEST_LIMIT, options.limitBytes);
  const headLimit = Math.floor(limit * HEAD_SHARE);
  const ringLimit = limit - headLimit - NOTE_BYTES;

  let headBytes = 0;
  let headFull = false;
  let ringStart = 0;
  /** All that ever went into the ring; its place there is the rest of the division. */
  let ringBytes = 0;
  let droppedBytes = 0;
  let pendingHead: Buffer[] = [];
  let pendingRing: Buffer[] = [];
  let pendingBytes = 0;
  let pump: Promise<void> | undefined;
  let broken = false;
  let closed: Promise<void> | undefined;

  const stop = (error: unknown): void => {
    if (broken) return;
    broken = true;
    pendingHead = [];
    pendingRing = [];
    options.emit({
      type: "warning",
      code: "WARN_BUILD_LOG",
      message: `The log of the build ends early: ${reasonOf(error)}.`,
      hint: "The build itself goes on; free space on the disk of the log file.",
    });
  };

  const writeRing = async (bytes: Buffer): Promise<void> => {
    for (let from = Math.max(0, bytes.length - ringLimit); from < bytes.length;) {
      const at = (ringBytes + from) % ringLimit;
      const part = bytes.subarray(from, from + ringLimit - at);
      await writeAll(file, part, ringStart + at);
      from += part.length;
    }
    ringBytes += bytes.length;
  };

  const drain = async (): Promise<void> => {
    try {
      while (!broken && pendingBytes > 0) {
        const head = Buffer.concat(pendingHead);
        const ring = Buffer.concat(pendingRing);
        pendingHead = [];
        pendingRing = [];
        pendingBytes = 0;
        await writeAll(file, head, headBytes);
        headBytes += head.length;
        if (ring.length > 0) {
          ringStart = headBytes;
          await writeRing(ring);
        }
      }
    } catch (error) {
      stop(error);
    }
    pump = undefined;
  };

  /** Puts the ring in order behind the head, whole lines only. */
  const settle = async (): Promise<void> => {
    if (ringBytes <= ringLimit && droppedBytes === 0) return;
    const kept = await readRing(file, { start: ringStart, limit: ringLimit, bytes: ringBytes });
    const note = `… ${ringBytes + droppedBytes - kept.length} bytes left out …\n`;
    const end = Buffer.concat([Buffer.from(note), kept]);
    await writeAll(file, end, headBytes);
    await file.truncate(headBytes + end.length);
  };

  const close = async (): Promise<void> => {
    await pump;
    try {
      if (!broken) await settle();
      await file.close();
    } catch (error) {
      stop(error);
      await file.close().catch(() => undefined);
    }
  };

  let headPlanned = 0;
  return {
    path,
    write(line) {
      if (broken || closed !== undefined) return;
      const bytes = Buffer.from(`${shorten(line)}\n`);
      if (pendingBytes + bytes.length > MAX_PENDING_BYTES) {
        droppedBytes += bytes.length;
        headFull = true;
        return;
      }
      headFull ||= headPlanned + bytes.length > headLimit;
      if (!headFull) headPlanned += bytes.length;
      (headFull ? pendingRing : pendingHead).push(bytes);
      pendingBytes += bytes.length;
      pump ??= Promise.resolve().then(drain);
    },
    [Symbol.asyncDispose]: () => (closed ??= close()),
  };
}

async function openPrivate(path: string): Promise<FileHandle> {
  let file: FileHandle | undefined;
  try {
    file = await open(path, "w+", 0o600);
    // Also of a file that was there before; but a device stays everyone's.
    if ((await file.stat()).isFile()) await file.chmod(0o600);
    return file;
  } catch (cause) {
    await file?.close();
    throw new ImageBuildError("ERR_BUILD_OPTIONS", `The log file ${path} cannot be made.`, {
      hint: "Name a file in a directory that exists and may be written.",
      cause,
    });
  }
}

async function writeAll(file: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

interface Ring {
  readonly start: number;
  readonly limit: number;
  readonly bytes: number;
}

async function readRing(file: FileHandle, ring: Ring): Promise<Buffer> {
  const size = Math.min(ring.bytes, ring.limit);
  if (size === 0) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(size), 0, size, ring.start);
  const found = buffer.subarray(0, bytesRead);
  if (ring.bytes <= ring.limit) return found;
  const oldest = ring.bytes % ring.limit;
  const ordered = Buffer.concat([found.subarray(oldest), found.subarray(0, oldest)]);
  return ordered.subarray(ordered.indexOf(10) + 1);
}

function shorten(line: string): string {
  const oneLine = line.replaceAll("\n", " ");
  return oneLine.length <= MAX_LINE_LENGTH ? oneLine : `${oneLine.slice(0, MAX_LINE_LENGTH - 1)}…`;
}

function reasonOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  if (code === "ENOSPC") return "the disk is full";
  return typeof code === "string" ? code : "it cannot be written";
}
