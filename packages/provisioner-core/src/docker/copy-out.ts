import { constants } from "node:fs";
import { chmod, lstat, mkdir, mkdtemp, open, rename, rm, symlink } from "node:fs/promises";
import { dirname, join, posix, resolve } from "node:path";
import type { Readable } from "node:stream";
import { extract, type Header } from "tar-stream";
import { WorkspaceError } from "../errors.js";

export interface UnpackOptions {
  /** Where it goes: a new path, or an existing directory to put it into. */
  readonly hostPath: string;
  /** Last part of the path in the workspace. */
  readonly name: string;
  readonly signal?: AbortSignal | undefined;
  /** Default 16 GiB. */
  readonly maxBytes?: number | undefined;
  /** Default 200 000. */
  readonly maxEntries?: number | undefined;
}

/**
 * Unpacks what came out of a workspace, which may be hostile, onto this machine. It is unpacked
 * beside its destination and renamed at the end, so that a failure or an abort leaves nothing.
 *
 * Refused with `ERR_WORKSPACE_COPY_UNSAFE`: names and links that leave the target, devices, more
 * bytes or entries than allowed. An existing destination is `ERR_WORKSPACE_COPY_TARGET`, but a file
 * may replace a file. Owners are dropped, and so are set-uid and set-gid bits.
 */
export async function unpackToHost(archive: Readable, options: UnpackOptions): Promise<void> {
  const destination = await findDestination(options);
  const staging = await mkdtemp(join(dirname(destination), ".molecule-copy-"));
  try {
    const unpacker = new Unpacker(staging, options);
    const entries = extract();
    archive.once("error", (error) => entries.destroy(error));
    options.signal?.addEventListener("abort", () => entries.destroy(), { once: true });
    archive.pipe(entries);
    try {
      for await (const entry of entries) await unpacker.add(entry.header, entry);
    } catch (error) {
      options.signal?.throwIfAborted();
      throw error;
    } finally {
      archive.destroy();
      entries.destroy();
    }
    options.signal?.throwIfAborted();
    await unpacker.finish();
    await moveIntoPlace(join(staging, unpacker.top), destination);
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

class Unpacker {
  /** Name of the one thing at the top of the archive. */
  top = "";
  readonly #root: string;
  readonly #maxBytes: number;
  readonly #maxEntries: number;
  readonly #directories = new Map<string, number>();
  readonly #links: { readonly name: string; readonly target: string }[] = [];
  readonly #files = new Set<string>();
  #bytes = 0;
  #entries = 0;

  constructor(root: string, options: UnpackOptions) {
    this.#root = root;
    this.#maxBytes = options.maxBytes ?? 16 * 1024 ** 3;
    this.#maxEntries = options.maxEntries ?? 200_000;
  }

  async add(header: Header, content: AsyncIterable<unknown>): Promise<void> {
    const name = this.#safeName(header.name);
    this.#entries += 1;
    this.#bytes += header.size ?? 0;
    if (this.#entries > this.#maxEntries || this.#bytes > this.#maxBytes) {
      throw unsafe(`The copy has more than ${this.#maxEntries} entries or ${this.#maxBytes} bytes`);
    }
    const parent = posix.dirname(name);
    if (parent !== "." && !this.#directories.has(parent)) {
      throw unsafe(`${JSON.stringify(name)} is not below a directory of the copy`);
    }
    switch (header.type) {
      case "directory":
        if (!this.#directories.has(name)) await mkdir(join(this.#root, name), { mode: 0o700 });
        this.#directories.set(name, (header.mode ?? 0o755) & 0o777);
        break;
      case "file":
      case "contiguous-file":
        await this.#writeFile(name, (header.mode ?? 0o644) & 0o777, content);
        break;
      case "symlink":
        this.#links.push({ name, target: this.#safeTarget(name, header.linkname ?? "") });
        break;
      case "link":
        await this.#copyHardLink(name, header.linkname ?? "");
        break;
      default:
        throw unsafe(`${JSON.stringify(name)} is a ${header.type ?? "special file"}`);
    }
    // The next entry comes only when this one was read.
    if (header.type !== "file" && header.type !== "contiguous-file") await drain(content);
  }

  /** Links last, so that nothing is ever written through one; then the modes of directories. */
  async finish(): Promise<void> {
    for (const { name, target } of this.#links) await symlink(target, join(this.#root, name));
    for (const [name, mode] of [...this.#directories].reverse()) {
      await chmod(join(this.#root, name), mode | 0o700);
    }
    if (this.top === "") throw unsafe("The copy is empty");
  }

  #safeName(given: string): string {
    const name = given.replace(/^(?:\.\/)+/, "").replace(/\/+$/, "");
    const parts = name.split("/");
    const bad = name === "" || parts.includes("..") || parts.includes(".") || parts.includes("");
    const [first = ""] = parts;
    if (this.top === "") this.top = first;
    if (bad || name.includes("\0") || name.includes("\\") || first !== this.top) {
      throw unsafe(`${JSON.stringify(given.slice(0, 200))} is not a name inside the copy`);
    }
    return name;
  }

  #safeTarget(name: string, target: string): string {
    const resolved = posix.join(posix.dirname(name), target);
    const inside = resolved === this.top || resolved.startsWith(`${this.top}/`);
    if (target === "" || target.startsWith("/") || target.includes("\\") || !inside) {
      throw unsafe(`${JSON.stringify(name)} is a link that leads out of the copy`);
    }
    return target;
  }

  async #writeFile(name: string, mode: number, content: AsyncIterable<unknown>): Promise<void> {
    const file = await open(
      join(this.#root, name),
      constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW,
      mode,
    );
    try {
      for await (const chunk of content) await file.writeFile(chunk as Buffer);
    } finally {
      await file.close();
    }
    this.#files.add(name);
  }

  async #copyHardLink(name: string, given: string): Promise<void> {
    const target = this.#safeName(given);
    if (!this.#files.has(target)) {
      throw unsafe(`${JSON.stringify(name)} is a link to something outside of the copy`);
    }
    const source = await open(join(this.#root, target), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      const { mode, size } = await source.stat();
      this.#bytes += size;
      if (this.#bytes > this.#maxBytes)
        throw unsafe(`The copy has more than ${this.#maxBytes} bytes`);
      await this.#writeFile(name, mode & 0o777, source.createReadStream({ autoClose: false }));
    } finally {
      await source.close();
    }
  }
}

async function findDestination({ hostPath, name }: UnpackOptions): Promise<string> {
  const path = resolve(hostPath);
  const existing = await lstat(path).catch(() => undefined);
  if (existing === undefined || existing.isFile()) {
    const parent = await lstat(dirname(path)).catch(() => undefined);
    if (parent !== undefined) return path;
    throw badTarget(`${dirname(path)} does not exist`);
  }
  if (!existing.isDirectory()) throw badTarget(`${path} is neither a file nor a directory`);
  return join(path, name === "" ? "root" : name);
}

async function moveIntoPlace(from: string, to: string): Promise<void> {
  const [source, existing] = await Promise.all([lstat(from), lstat(to).catch(() => undefined)]);
  if (existing !== undefined && !(existing.isFile() && source.isFile())) {
    throw badTarget(`${to} exists already`);
  }
  await rename(from, to);
}

async function drain(content: AsyncIterable<unknown>): Promise<void> {
  const iterator = content[Symbol.asyncIterator]();
  while ((await iterator.next()).done !== true);
}

function unsafe(problem: string): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_COPY_UNSAFE", `${problem}; nothing was copied.`, {
    hint: "Copy single files out of it instead.",
  });
}

function badTarget(problem: string): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_COPY_TARGET", `${problem}; nothing was copied.`, {
    hint: "Choose a new path, or an existing directory to copy into.",
  });
}
