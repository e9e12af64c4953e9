import type { Dirent, Stats } from "node:fs";
import { lstat, readdir, readlink, realpath, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { findDockerfile, findDockerignore } from "./dockerfile-file.js";
import { parseDockerignore, type IgnoreRules } from "./dockerignore.js";
import { ImageBuildError } from "../errors.js";

/** One entry of a context as it will be sent. */
export type ContextEntry =
  | { readonly kind: "directory"; readonly path: string }
  | {
      readonly kind: "file";
      readonly path: string;
      readonly sizeBytes: number;
      readonly executable: boolean;
    }
  | { readonly kind: "symlink"; readonly path: string; readonly target: string };

/** What will be sent of a directory, decided before the first byte leaves. */
export interface ContextPlan {
  readonly root: string;
  /** In the order of their paths' bytes, parents before their children. */
  readonly entries: readonly ContextEntry[];
  /** Sum of the files, without tar headers. */
  readonly bytes: number;
  /** Real path of the Dockerfile inside the context. */
  readonly dockerfile: string;
  readonly dockerfileText: string | undefined;
}

export interface PlanContextOptions {
  readonly path: string;
  readonly dockerfile: string;
  readonly maxBytes: number;
  readonly maxFiles: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Looks at a directory and decides what a build gets of it: everything but what the ignore file
 * leaves out and every `.git`, at any depth, directory or file (a submodule's). The Dockerfile and
 * the ignore file are sent even when ignored.
 *
 * Throws {@link ImageBuildError} for a missing or unusable Dockerfile, for sockets, devices and
 * pipes, and when there are more files or bytes than allowed.
 */
export async function planContext(options: PlanContextOptions): Promise<ContextPlan> {
  const root = await findRoot(options.path);
  const dockerfile = await findDockerfile(root, options.dockerfile);
  const ignoreFile = await findDockerignore(root, options.dockerfile);
  const rules: IgnoreRules =
    ignoreFile === undefined
      ? { ignores: () => false, hasExceptions: false }
      : parseDockerignore(ignoreFile.text, ignoreFile.path);
  const always = new Set([dockerfile.path]);
  if (ignoreFile !== undefined) always.add(ignoreFile.path);

  const entries = new Map<string, ContextEntry>();
  let bytes = 0;

  const add = (entry: ContextEntry): void => {
    const parent = dirname(entry.path);
    if (parent !== "." && !entries.has(parent)) add({ kind: "directory", path: parent });
    entries.set(entry.path, entry);
    if (entries.size > options.maxFiles) {
      throw tooLarge(`more than ${options.maxFiles} files and directories`, {
        maxFiles: options.maxFiles,
      });
    }
    if (entry.kind !== "file") return;
    bytes += entry.sizeBytes;
    if (bytes > options.maxBytes) {
      throw tooLarge(`more than ${options.maxBytes} bytes`, { maxBytes: options.maxBytes });
    }
  };

  const mayHold = (directory: string): boolean =>
    rules.hasExceptions || [...always].some((path) => path.startsWith(`${directory}/`));

  const walk = async (directory: string): Promise<void> => {
    options.signal?.throwIfAborted();
    const wanted: string[] = [];
    for (const found of await list(root, directory)) {
      if (found.name === ".git") continue;
      const path = directory === "" ? found.name : `${directory}/${found.name}`;
      if (!rules.ignores(path) || always.has(path)) {
        wanted.push(path);
      } else if (found.isDirectory() && mayHold(path)) {
        await walk(path);
      }
      if (wanted.length + entries.size > options.maxFiles) break;
    }
    const described = await Promise.all(wanted.map((path) => describe(root, path)));
    for (const entry of described) {
      add(entry);
      if (entry.kind === "directory") await walk(entry.path);
    }
  };
  await walk("");

  return {
    root,
    entries: sortByBytes([...entries.values()]),
    bytes,
    dockerfile: dockerfile.path,
    dockerfileText: dockerfile.text,
  };
}

async function findRoot(path: string): Promise<string> {
  try {
    const root = await realpath(path);
    if ((await stat(root)).isDirectory()) return root;
  } catch (cause) {
    throw unreadable(path, cause);
  }
  throw new ImageBuildError(
    "ERR_BUILD_CONTEXT_UNREADABLE",
    `The build context ${path} is not a directory.`,
    {
      hint: "Name the directory that holds the Dockerfile.",
    },
  );
}

async function list(root: string, directory: string): Promise<Dirent[]> {
  try {
    return await readdir(join(root, directory), { withFileTypes: true });
  } catch (cause) {
    throw unreadable(directory === "" ? root : directory, cause);
  }
}

async function describe(root: string, path: string): Promise<ContextEntry> {
  let found: Stats;
  try {
    found = await lstat(join(root, path));
    if (found.isSymbolicLink()) {
      // Only a link: where it leads is not looked at, and nothing behind it is sent.
      return { kind: "symlink", path, target: await readlink(join(root, path)) };
    }
  } catch (cause) {
    throw unreadable(path, cause);
  }
  if (found.isDirectory()) return { kind: "directory", path };
  if (found.isFile()) {
    return { kind: "file", path, sizeBytes: found.size, executable: (found.mode & 0o111) !== 0 };
  }
  throw new ImageBuildError(
    "ERR_BUILD_CONTEXT_FILE",
    `${path} in the build context is a ${kindOf(found)}, which an image cannot be built from.`,
    { hint: "Remove it, or add it to .dockerignore.", details: { path } },
  );
}

function kindOf(found: Stats): string {
  if (found.isSocket()) return "socket";
  if (found.isFIFO()) return "named pipe";
  return "device";
}

function sortByBytes(entries: readonly ContextEntry[]): ContextEntry[] {
  return entries
    .map((entry) => ({ entry, key: Buffer.from(entry.path, "utf8") }))
    .sort((a, b) => Buffer.compare(a.key, b.key))
    .map(({ entry }) => entry);
}

function tooLarge(what: string, details: Record<string, number>): ImageBuildError {
  return new ImageBuildError("ERR_BUILD_CONTEXT_TOO_LARGE", `The build context holds ${what}.`, {
    hint: "Leave out what the image does not need with .dockerignore, or raise the limit.",
    details,
  });
}

function unreadable(path: string, cause: unknown): ImageBuildError {
  // Names that are no UTF-8 come back from the system changed, and then they are not found.
  const mangled = path.includes("\uFFFD") && (cause as NodeJS.ErrnoException).code === "ENOENT";
  return new ImageBuildError(
    "ERR_BUILD_CONTEXT_UNREADABLE",
    `${path} in the build context cannot be read.`,
    {
      hint: mangled
        ? "Its name is not UTF-8: rename it, or add it to .dockerignore."
        : "Check that it exists and may be read, or add it to .dockerignore.",
      details: { path },
      cause,
    },
  );
}
