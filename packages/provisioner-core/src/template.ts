import { constants } from "node:fs";
import { lstat, open, readdir, realpath, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { WorkspaceError } from "./errors.js";

/** One file or directory of a template, ready to be sent. */
export interface TemplateEntry {
  /** Relative, with `/`. */
  readonly name: string;
  readonly kind: "file" | "directory";
  readonly mode: number;
  /** Bytes that will be sent: after line endings were changed. */
  readonly sizeBytes: number;
  /** The bytes when they differ from the file, undefined when the file is sent as it is. */
  readonly content: Buffer | undefined;
}

/** A template directory as it was when it was read. */
export interface Template {
  /** Real path of the directory. */
  readonly path: string;
  /** Parents before children, in a stable order. */
  readonly entries: readonly TemplateEntry[];
  readonly totalBytes: number;
  /** Content of a regular `config.yaml` at the top, when there is one. */
  readonly configYaml: Buffer | undefined;
}

export interface ReadTemplateOptions {
  readonly signal?: AbortSignal | undefined;
  /** Default 10 000 files and directories. */
  readonly maxEntries?: number | undefined;
  /** Default 256 MiB. */
  readonly maxBytes?: number | undefined;
}

const TEXT_SUFFIXES = [".sh", ".py", ".md"];

/** Larger files of these kinds are sent as they are: no source file is that long. */
const MOST_TEXT_BYTES = 4 * 1024 * 1024;

const MOST_DEPTH = 64;

/**
 * Lists a template for `/configs`. `.git` is left out; links, sockets and devices are refused with
 * `ERR_WORKSPACE_TEMPLATE_UNSAFE`, too much with `ERR_WORKSPACE_TEMPLATE_TOO_LARGE`, a path that is
 * no directory with `ERR_WORKSPACE_TEMPLATE_NOT_FOUND`. CRLF becomes LF in `.sh`, `.py` and `.md`
 * files that hold text.
 */
export async function readTemplate(
  path: string,
  options: ReadTemplateOptions = {},
): Promise<Template> {
  const root = await findRoot(path);
  const reader = new TemplateReader(root, options);
  await reader.readDirectory("", 0);
  const configYaml = await readConfigYaml(root, reader.entries);
  return { path: root, entries: reader.entries, totalBytes: reader.totalBytes, configYaml };
}

/** Opens a file of `template` for sending; it must still be a regular file of the size that was read. */
export async function openTemplateFile(
  template: Template,
  entry: TemplateEntry,
): Promise<FileHandle> {
  const file = await openWithoutLinks(template.path, entry.name);
  const stat = await file.stat();
  if (stat.isFile() && stat.size === entry.sizeBytes) return file;
  await file.close();
  throw new WorkspaceError(
    "ERR_WORKSPACE_TEMPLATE_UNSAFE",
    `Template file ${entry.name} changed while it was read.`,
    { hint: "Leave the template directory alone while a workspace starts.", retryable: true },
  );
}

class TemplateReader {
  readonly entries: TemplateEntry[] = [];
  totalBytes = 0;
  readonly #root: string;
  readonly #signal: AbortSignal | undefined;
  readonly #maxEntries: number;
  readonly #maxBytes: number;

  constructor(root: string, options: ReadTemplateOptions) {
    this.#root = root;
    this.#signal = options.signal;
    this.#maxEntries = options.maxEntries ?? 10_000;
    this.#maxBytes = options.maxBytes ?? 256 * 1024 * 1024;
  }

  async readDirectory(directory: string, depth: number): Promise<void> {
    this.#signal?.throwIfAborted();
    if (depth > MOST_DEPTH) throw tooLarge(this.#root, `deeper than ${MOST_DEPTH} directories`);
    const children = await readdir(join(this.#root, directory), { withFileTypes: true });
    children.sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const child of children) {
      if (child.name === ".git") continue;
      const name = directory === "" ? child.name : `${directory}/${child.name}`;
      if (child.isDirectory()) {
        const stat = await lstat(join(this.#root, name));
        this.#add({
          name,
          kind: "directory",
          mode: stat.mode & 0o777,
          sizeBytes: 0,
          content: undefined,
        });
        await this.readDirectory(name, depth + 1);
      } else if (child.isFile()) {
        this.#add(await this.#readFile(name));
      } else {
        throw unsafe(name, child.isSymbolicLink() ? "a symbolic link" : "not a regular file");
      }
    }
  }

  async #readFile(name: string): Promise<TemplateEntry> {
    this.#signal?.throwIfAborted();
    const file = await openWithoutLinks(this.#root, name);
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw unsafe(name, "not a regular file");
      const isText = TEXT_SUFFIXES.some((suffix) => name.endsWith(suffix));
      const content =
        isText && stat.size <= MOST_TEXT_BYTES
          ? withUnixLineEndings(await file.readFile())
          : undefined;
      return {
        name,
        kind: "file",
        // Set-uid and set-gid bits have no place in a configuration directory.
        mode: stat.mode & 0o777,
        sizeBytes: content?.length ?? stat.size,
        content,
      };
    } finally {
      await file.close();
    }
  }

  #add(entry: TemplateEntry): void {
    this.entries.push(entry);
    this.totalBytes += entry.sizeBytes;
    if (this.entries.length > this.#maxEntries) {
      throw tooLarge(this.#root, `more than ${this.#maxEntries} files and directories`);
    }
    if (this.totalBytes > this.#maxBytes) {
      throw tooLarge(this.#root, `larger than ${this.#maxBytes} bytes`);
    }
  }
}

/** `bytes` with CRLF as LF; undefined when nothing changes or the bytes are not text. */
export function withUnixLineEndings(bytes: Buffer): Buffer | undefined {
  if (!bytes.includes("\r\n") || bytes.includes(0)) return undefined;
  const result = Buffer.allocUnsafe(bytes.length);
  let length = 0;
  for (let index = 0; index < bytes.length; index += 1) {
    const byte = bytes[index] ?? 0;
    if (byte === 0x0d && bytes[index + 1] === 0x0a) continue;
    result[length] = byte;
    length += 1;
  }
  return result.subarray(0, length);
}

async function findRoot(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if ((await lstat(root)).isDirectory()) return root;
  } catch (error) {
    throw notFound(path, error);
  }
  throw notFound(path);
}

/** No component below the root may be a link at the moment it is opened. */
async function openWithoutLinks(root: string, name: string): Promise<FileHandle> {
  const path = join(root, name);
  try {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    if ((await realpath(path)) === path) return file;
    await file.close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ELOOP") throw error;
  }
  throw unsafe(name, "a symbolic link");
}

async function readConfigYaml(
  root: string,
  entries: readonly TemplateEntry[],
): Promise<Buffer | undefined> {
  const entry = entries.find(({ name, kind }) => name === "config.yaml" && kind === "file");
  if (entry === undefined) return undefined;
  const file = await openWithoutLinks(root, entry.name);
  try {
    return await file.readFile();
  } finally {
    await file.close();
  }
}

function unsafe(name: string, what: string): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_TEMPLATE_UNSAFE",
    `Template entry ${JSON.stringify(name)} is ${what}.`,
    {
      hint: "Replace it by a regular file: links in a template could point out of it.",
      details: { name },
    },
  );
}

function tooLarge(root: string, problem: string): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_TEMPLATE_TOO_LARGE",
    `The template in ${root} is ${problem}.`,
    { hint: "Keep data out of the template; mount it as the workspace directory instead." },
  );
}

function notFound(path: string, cause?: unknown): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_TEMPLATE_NOT_FOUND",
    `The template directory ${path} does not exist or is not a directory.`,
    { hint: "Give the path of a directory with a config.yaml.", cause },
  );
}
