import type { DockerEngine, LoadedImages } from "@molecule-ai/docker-engine";
import { randomBytes } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { ImageBuildError } from "../errors.js";

/** Calls of the file system that writing and reading an archive makes, but no socket. */
const FILE_CALLS = new Set(["open", "write", "writev", "fsync", "rename", "close"]);

/**
 * Saves images from the engine into one file, which is there whole or not at all: also after an abort
 * nothing of it is left. What the path names already is replaced at the end. Throws
 * `ERR_IMAGE_ARCHIVE` and the engine's own errors.
 */
export async function saveImages(options: {
  readonly engine: { readonly images: Pick<DockerEngine["images"], "save"> };
  readonly refs: readonly string[];
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}): Promise<{ readonly sizeBytes: number }> {
  const { engine, refs, path, signal } = options;
  const archive = await engine.images.save(refs, { signal });
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString("hex")}`);
  try {
    const file = createWriteStream(partial, { flags: "wx", mode: 0o600, flush: true });
    await pipeline(archive, file, signal === undefined ? {} : { signal });
    await rename(partial, path);
    return { sizeBytes: file.bytesWritten };
  } catch (cause) {
    archive.destroy();
    await rm(partial, { force: true }).catch(() => {});
    signal?.throwIfAborted();
    throw isFileSystemError(cause) ? refused(cause, `${path} cannot be written`) : cause;
  }
}

/** Loads the images of a file into the engine. Throws `ERR_IMAGE_ARCHIVE` and the engine's own errors. */
export async function loadImages(options: {
  readonly engine: { readonly images: Pick<DockerEngine["images"], "load"> };
  readonly path: string;
  readonly signal?: AbortSignal | undefined;
}): Promise<LoadedImages> {
  const { engine, path, signal } = options;
  signal?.throwIfAborted();
  const found = await stat(path).catch((cause: unknown) => {
    throw refused(cause, `${path} cannot be read`);
  });
  if (!found.isFile()) throw refused(undefined, `${path} is no file`);
  const archive = createReadStream(path);
  try {
    return await engine.images.load(archive, { signal });
  } catch (cause) {
    throw isFileSystemError(cause) ? refused(cause, `${path} cannot be read`) : cause;
  } finally {
    archive.destroy();
  }
}

function isFileSystemError(cause: unknown): boolean {
  const { syscall } = cause as NodeJS.ErrnoException;
  return syscall !== undefined && FILE_CALLS.has(syscall);
}

function refused(cause: unknown, what: string): ImageBuildError {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return new ImageBuildError(
    "ERR_IMAGE_ARCHIVE",
    `${what}${code === undefined ? "" : `: ${code}`}.`,
    {
      hint: code === "ENOSPC" ? "Free some space." : "Check the path and its permissions.",
      cause,
    },
  );
}
