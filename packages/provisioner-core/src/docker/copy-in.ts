import { constants } from "node:fs";
import { lstat, open, readdir, readlink, realpath } from "node:fs/promises";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { pack, type Pack } from "tar-stream";
import { WorkspaceError } from "../errors.js";

const MOST_ENTRIES = 200_000;

/**
 * A tar of a host file or directory tree, named by its last part, made while it is read. Links that
 * stay in the tree are kept as links; others, sockets and devices end it with
 * `ERR_WORKSPACE_COPY_UNSAFE`. Owners become root.
 */
export async function packHostTree(
  hostPath: string,
  signal: AbortSignal | undefined,
): Promise<Pack> {
  const root = await realpath(hostPath).catch((error: unknown) => {
    throw new WorkspaceError("ERR_WORKSPACE_COPY_TARGET", `${hostPath} does not exist.`, {
      hint: "Give the path of a file or directory on this machine.",
      cause: error,
    });
  });
  const tar = pack();
  const state = { root, name: basename(resolve(hostPath)), count: 0, signal };
  addPath(tar, state, root)
    .then(() => tar.finalize())
    .catch((error: unknown) => tar.destroy(error as Error));
  return tar;
}

interface PackState {
  readonly root: string;
  readonly name: string;
  readonly signal: AbortSignal | undefined;
  count: number;
}

async function addPath(tar: Pack, state: PackState, path: string): Promise<void> {
  state.signal?.throwIfAborted();
  state.count += 1;
  if (state.count > MOST_ENTRIES) {
    throw unsafe(state.root, `has more than ${MOST_ENTRIES} files and directories`);
  }
  const inner = relative(state.root, path).split(sep).join("/");
  const name = inner === "" ? state.name : `${state.name}/${inner}`;
  const stat = await lstat(path);
  const header = { name, mode: stat.mode & 0o777, mtime: stat.mtime };
  if (stat.isDirectory()) {
    await finish((done) => tar.entry({ ...header, name: `${name}/`, type: "directory" }, done));
    for (const child of (await readdir(path)).sort()) {
      await addPath(tar, state, join(path, child));
    }
  } else if (stat.isFile()) {
    await addFile(tar, header, path);
  } else if (stat.isSymbolicLink()) {
    const linkname = await readlink(path);
    const target = relative(state.root, resolve(dirname(path), linkname));
    if (linkname.startsWith("/") || target === ".." || target.startsWith(`..${sep}`)) {
      throw unsafe(path, "is a link that leads out of what is copied");
    }
    await finish((done) => tar.entry({ ...header, type: "symlink", linkname }, done));
  } else {
    throw unsafe(path, "is neither a file, a directory nor a link");
  }
}

async function addFile(
  tar: Pack,
  header: { readonly name: string; readonly mode: number; readonly mtime: Date },
  path: string,
): Promise<void> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = await file.stat();
    if (size === 0) {
      await finish((done) => tar.entry({ ...header, size }, Buffer.alloc(0), done));
      return;
    }
    const source = file.createReadStream({ autoClose: false, start: 0, end: size - 1 });
    await finish((done) => {
      const sink = tar.entry({ ...header, size }, done);
      source.once("error", (error) => sink.destroy(error));
      source.pipe(sink);
    });
  } finally {
    await file.close();
  }
}

async function finish(begin: (done: (error?: Error | null) => void) => unknown): Promise<void> {
  await new Promise<void>((fulfil, reject) => {
    begin((error) => {
      if (error === null || error === undefined) fulfil();
      else reject(error);
    });
  });
}

function unsafe(path: string, problem: string): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_COPY_UNSAFE", `${path} ${problem}.`, {
    hint: "Copy what it points to, or leave it out.",
    details: { path },
  });
}
