import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack, type Header, type Pack } from "tar-stream";
import type { ContextEntry, ContextPlan } from "./context-plan.js";
import { ImageBuildError } from "../errors.js";

/** Files up to this size are read whole, some of them ahead. */
const SMALL_FILE_BYTES = 64 * 1024;
const READ_AHEAD = 8;
const CHUNK_BYTES = 256 * 1024;

type EntryHeader = Partial<Header> & Pick<Header, "name">;
type FileEntry = Extract<ContextEntry, { kind: "file" }>;

/**
 * The tar of a planned context: the same bytes for the same tree. Owner 0:0, modes 0644 or 0755,
 * every time `mtimeSeconds`.
 *
 * Reads only as fast as it is read. Destroying it closes what is open. Fails with
 * `ERR_BUILD_CONTEXT_CHANGED` when a file is no longer what the plan saw.
 */
export function packContext(plan: ContextPlan, mtimeSeconds: number): Readable {
  const tar = pack();
  writeEntries(tar, plan, new Date(mtimeSeconds * 1000)).catch((error: unknown) => {
    tar.destroy(error as Error);
  });
  return Readable.from(gather(tar), { objectMode: false, highWaterMark: CHUNK_BYTES });
}

async function writeEntries(tar: Pack, plan: ContextPlan, mtime: Date): Promise<void> {
  const common = { uid: 0, gid: 0, uname: "", gname: "", mtime };
  // BuildKit takes a body for a tar only if the first kilobyte holds a whole header, which a long
  // first name would not leave room for.
  await addEntry(tar, { ...common, name: "./", type: "directory", mode: 0o755 });

  const ahead = readAhead(plan);
  for (const entry of plan.entries) {
    switch (entry.kind) {
      case "directory":
        await addEntry(tar, {
          ...common,
          name: `${entry.path}/`,
          type: "directory",
          mode: 0o755,
        });
        break;
      case "symlink":
        await addEntry(tar, {
          ...common,
          name: entry.path,
          type: "symlink",
          linkname: entry.target,
          mode: 0o777,
        });
        break;
      case "file": {
        const header: EntryHeader = {
          ...common,
          name: entry.path,
          type: "file",
          size: entry.sizeBytes,
          mode: entry.executable ? 0o755 : 0o644,
        };
        if (entry.sizeBytes > SMALL_FILE_BYTES) await addLargeFile(tar, header, plan.root, entry);
        else await addEntry(tar, header, await ahead.next());
        break;
      }
      default:
        entry satisfies never;
    }
  }
  tar.finalize();
}

function addEntry(tar: Pack, header: EntryHeader, content?: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error | null): void => {
      if (error === undefined || error === null) resolve();
      else reject(error);
    };
    if (content === undefined) tar.entry(header, done);
    else tar.entry(header, content, done);
  });
}

async function addLargeFile(
  tar: Pack,
  header: EntryHeader,
  root: string,
  entry: FileEntry,
): Promise<void> {
  await pipeline(readExactly(root, entry), tar.entry(header));
}

/** Starts reading the next small files before they are asked for, so that the disk does not idle. */
function readAhead(plan: ContextPlan): { next(): Promise<Buffer> } {
  const files = plan.entries.filter(
    (entry): entry is FileEntry => entry.kind === "file" && entry.sizeBytes <= SMALL_FILE_BYTES,
  );
  const started: Promise<Buffer>[] = [];
  let begun = 0;
  return {
    next() {
      while (started.length < READ_AHEAD && begun < files.length) {
        const reading = readSmall(plan.root, files[begun] as FileEntry);
        // Awaited in its turn; until then a failure must not count as unhandled.
        reading.catch(() => undefined);
        started.push(reading);
        begun += 1;
      }
      return started.shift() as Promise<Buffer>;
    },
  };
}

async function readSmall(root: string, entry: FileEntry): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of readExactly(root, entry)) chunks.push(chunk);
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks);
}

/** The content of a file, which must still be a regular file of the planned size. */
async function* readExactly(root: string, entry: FileEntry): AsyncGenerator<Buffer> {
  const changed = (cause?: unknown): ImageBuildError =>
    new ImageBuildError(
      "ERR_BUILD_CONTEXT_CHANGED",
      `${entry.path} changed while it was sent to the engine.`,
      {
        hint: "Let nothing write into the directory during the build, and build again.",
        retryable: true,
        details: { path: entry.path },
        cause,
      },
    );
  let file;
  try {
    // Neither a link that has taken its place nor a pipe that would never answer.
    file = await open(
      join(root, entry.path),
      constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    );
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ELOOP" || code === "ENXIO") throw changed(cause);
    throw new ImageBuildError(
      "ERR_BUILD_CONTEXT_UNREADABLE",
      `${entry.path} in the build context cannot be read.`,
      {
        hint: "Check its permissions, or add it to .dockerignore.",
        details: { path: entry.path },
        cause,
      },
    );
  }
  try {
    let left = entry.sizeBytes;
    for (;;) {
      // One byte more than is expected: a file that has grown fills it, one that has not ends there.
      const buffer = Buffer.allocUnsafe(Math.min(left + 1, CHUNK_BYTES));
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      if (bytesRead > left) throw changed();
      if (bytesRead === 0) {
        if (left > 0) throw changed();
        return;
      }
      left -= bytesRead;
      yield buffer.subarray(0, bytesRead);
      if (left === 0 && bytesRead < buffer.length) return;
    }
  } catch (cause) {
    // What was a file is a directory or a device now.
    if ((cause as NodeJS.ErrnoException).code === "EISDIR") throw changed(cause);
    throw cause;
  } finally {
    await file.close();
  }
}

/** Puts headers, small files and padding together: one write to the socket instead of thousands. */
async function* gather(tar: Pack): AsyncGenerator<Buffer> {
  let held: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of tar as AsyncIterable<Uint8Array>) {
    held.push(chunk);
    length += chunk.length;
    if (length < CHUNK_BYTES) continue;
    yield Buffer.concat(held, length);
    held = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(held, length);
}
