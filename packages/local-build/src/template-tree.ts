import { createReadStream } from "node:fs";
import { chmod, lstat, readdir, readFile, readlink } from "node:fs/promises";
import { posix } from "node:path";
import { LocalBuildError } from "./errors.js";
import {
  hashObject,
  hashTree,
  startObject,
  type ObjectFormat,
  type TreeEntry,
} from "./git-object.js";
import { TemplateMeter, type TemplateLimits } from "./limits.js";

export interface TemplateTree {
  /** Git's id of the tree these files make. */
  readonly tree: string;
  readonly files: number;
  readonly sizeBytes: number;
}

export interface ReadTreeOptions {
  readonly objectFormat: ObjectFormat;
  readonly limits: TemplateLimits;
  /** Submodules by path from the root (as latin1 text): they are in the tree, but not on disk. */
  readonly submodules?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Files up to this size are read at once, larger ones as a stream. */
const SMALL_FILE_BYTES = 1024 * 1024;

/**
 * Reads the directory `root` as git would: the id of its tree is recomputed from the content, modes
 * become 0644 or 0755 whatever the umask was, empty directories do not count.
 *
 * Refuses with `ERR_LOCAL_BUILD_UNSAFE_TEMPLATE` a link that leads out of the tree, anything that is
 * neither file, directory nor link, and any `.git`.
 */
export async function readTemplateTree(
  root: string,
  options: ReadTreeOptions,
): Promise<TemplateTree> {
  const meter = new TemplateMeter(options.limits);
  await setMode(Buffer.from(root), (await lstat(root)).mode, 0o755);
  const tree = await readDirectory(Buffer.from(root), Buffer.alloc(0), options, meter);
  return {
    tree: tree ?? hashTree(options.objectFormat, []),
    files: meter.files,
    sizeBytes: meter.bytes,
  };
}

const SLASH = Buffer.from("/");

async function readDirectory(
  root: Buffer,
  path: Buffer,
  options: ReadTreeOptions,
  meter: TemplateMeter,
): Promise<string | undefined> {
  const entries: TreeEntry[] = [];
  for (const name of await readdir(path.length === 0 ? root : join(root, path), {
    encoding: "buffer",
  })) {
    options.signal?.throwIfAborted();
    const inside = path.length === 0 ? name : join(path, name);
    if (name.toString("latin1").toLowerCase() === ".git") {
      throw unsafe(inside, "it belongs to git itself");
    }
    const entry = await readEntry(root, inside, name, options, meter);
    if (entry !== undefined) entries.push(entry);
  }
  return entries.length === 0 ? undefined : hashTree(options.objectFormat, entries);
}

async function readEntry(
  root: Buffer,
  path: Buffer,
  name: Buffer,
  options: ReadTreeOptions,
  meter: TemplateMeter,
): Promise<TreeEntry | undefined> {
  const absolute = join(root, path);
  const stats = await lstat(absolute);
  const submodule = options.submodules?.[path.toString("latin1")];
  if (stats.isDirectory()) {
    if (submodule !== undefined) return { mode: "160000", name, id: submodule };
    await setMode(absolute, stats.mode, 0o755);
    const id = await readDirectory(root, path, options, meter);
    return id === undefined ? undefined : { mode: "40000", name, id };
  }
  meter.add(1, stats.size);
  if (stats.isSymbolicLink()) {
    const target = await readlink(absolute, { encoding: "buffer" });
    if (!staysInside(path.toString("latin1"), target.toString("latin1"))) {
      throw unsafe(path, "it is a link that leads out of the template");
    }
    return { mode: "120000", name, id: hashObject(options.objectFormat, "blob", target) };
  }
  if (!stats.isFile()) throw unsafe(path, "it is neither a file, a directory nor a link");
  const executable = (stats.mode & 0o100) !== 0;
  await setMode(absolute, stats.mode, executable ? 0o755 : 0o644);
  const id = await hashFile(absolute, stats.size, options);
  return { mode: executable ? "100755" : "100644", name, id };
}

async function hashFile(
  path: Buffer,
  sizeBytes: number,
  options: ReadTreeOptions,
): Promise<string> {
  if (sizeBytes <= SMALL_FILE_BYTES) {
    return hashObject(options.objectFormat, "blob", await readFile(path));
  }
  const hash = startObject(options.objectFormat, "blob", sizeBytes);
  for await (const chunk of createReadStream(path, { signal: options.signal })) {
    hash.update(chunk as Buffer);
  }
  return hash.digest("hex");
}

async function setMode(path: Buffer, current: number, wanted: number): Promise<void> {
  if ((current & 0o7777) !== wanted) await chmod(path, wanted);
}

/**
 * True when a link at `path` (from the root) with this target stays in the tree. `..` counts only at
 * the start of the target, where it steps over real directories: behind another link it could step
 * anywhere.
 */
export function staysInside(path: string, target: string): boolean {
  if (target === "" || target.startsWith("/")) return false;
  const segments = target.split("/").filter((segment) => segment !== "" && segment !== ".");
  const firstName = segments.findIndex((segment) => segment !== "..");
  if (firstName !== -1 && segments.slice(firstName).includes("..")) return false;
  const resolved = posix.normalize(posix.join(posix.dirname(path), target));
  return resolved !== ".." && !resolved.startsWith("../");
}

function join(directory: Buffer, name: Buffer): Buffer {
  return Buffer.concat([directory, SLASH, name]);
}

function unsafe(path: Buffer, why: string): LocalBuildError {
  return new LocalBuildError(
    "ERR_LOCAL_BUILD_UNSAFE_TEMPLATE",
    `The template holds ${JSON.stringify(path.toString("utf8"))}, which is refused: ${why}.`,
    {
      hint: "Replace it in the template repository by a regular file.",
      details: { path: path.toString("utf8") },
    },
  );
}
