import { isProvisionerError } from "@molecule-ai/core";
import type { PathStat } from "@molecule-ai/docker-engine";
import { posix } from "node:path";
import { pack } from "tar-stream";
import { WorkspaceError } from "../errors.js";
import type { FileStat, WorkspaceFiles } from "../workspace-backend.js";
import { ArchiveFileTooLarge, readArchiveFile } from "./archive-file.js";
import type { DockerContext } from "./context.js";
import { packHostTree } from "./copy-in.js";
import { unpackToHost } from "./copy-out.js";
import { requireContainer } from "./ownership.js";
import { nameOf, parentOf, requireFilePath } from "./workspace-path.js";

const MOST_LINKS = 10;
const DEFAULT_READ_BYTES = 1024 * 1024;

/** Files through the engine's archive calls: the container may run, be stopped, or never have run. */
export function createDockerFiles(context: DockerContext): WorkspaceFiles {
  const { containers } = context.engine;

  /** What is at `path`, links followed as inside the workspace. */
  const resolve = async (
    containerId: string,
    path: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly path: string; readonly stat: PathStat } | undefined> => {
    let current = path;
    for (let links = 0; links <= MOST_LINKS; links += 1) {
      const stat = await containers.statPath(containerId, current, { signal });
      if (stat === undefined) return undefined;
      if (stat.kind !== "symlink") return { path: current, stat };
      // The engine resolves within the container's root, so a link cannot lead out of it.
      current = posix.resolve("/", parentOf(current), stat.linkTarget);
    }
    throw new WorkspaceError("ERR_WORKSPACE_FILE_KIND", `${path} is a chain of too many links.`, {
      hint: "Give the path of the file itself.",
    });
  };

  return {
    async stat(id, path, options = {}) {
      const wanted = requireFilePath(path);
      const container = await requireContainer(context, id, options.signal);
      const stat = await containers.statPath(container.id, wanted, options);
      return stat === undefined ? undefined : toFileStat(wanted, stat);
    },

    async read(id, path, options = {}) {
      const wanted = requireFilePath(path);
      const maxBytes = options.maxBytes ?? DEFAULT_READ_BYTES;
      const container = await requireContainer(context, id, options.signal);
      const found = await resolve(container.id, wanted, options.signal);
      if (found === undefined) return undefined;
      if (found.stat.kind !== "file") throw wrongKind(wanted, found.stat.kind);
      try {
        const file = await readArchiveFile(
          context.engine,
          container.id,
          found.path,
          maxBytes,
          options.signal,
        );
        return file?.content;
      } catch (error) {
        if (!(error instanceof ArchiveFileTooLarge)) throw error;
        throw new WorkspaceError(
          "ERR_WORKSPACE_FILE_TOO_LARGE",
          `${wanted} has ${error.sizeBytes} bytes; at most ${maxBytes} are read.`,
          { hint: "Copy it out instead.", details: { sizeBytes: error.sizeBytes, maxBytes } },
        );
      }
    },

    async write(id, path, content, options = {}) {
      const wanted = requireFilePath(path);
      if (wanted === "/") throw wrongKind("/", "directory");
      const { signal } = options;
      const container = await requireContainer(context, id, signal);
      const found = await resolve(container.id, wanted, signal);
      if (found?.stat.kind === "directory") throw wrongKind(wanted, "directory");
      const target = found?.path ?? wanted;
      const old =
        found === undefined ? undefined : await readHeader(context, container.id, target, signal);
      const tar = pack();
      const base = await packParents(context, container.id, parentOf(target), tar, signal);
      tar.entry(
        {
          name: target.slice(base === "/" ? 1 : base.length + 1),
          mode: options.mode ?? old?.mode ?? 0o644,
          uid: options.uid ?? old?.uid ?? 0,
          gid: options.gid ?? old?.gid ?? 0,
          mtime: new Date(context.clock.now()),
        },
        Buffer.from(content),
      );
      tar.finalize();
      await putArchive(context, container.id, base, tar, signal);
    },

    async copyIn(id, hostPath, path, options = {}) {
      const wanted = requireFilePath(path);
      const { signal } = options;
      const container = await requireContainer(context, id, signal);
      const found = await resolve(container.id, wanted, signal);
      if (found === undefined) throw notFound(wanted);
      if (found.stat.kind !== "directory") throw wrongKind(wanted, found.stat.kind);
      const tar = await packHostTree(hostPath, signal);
      await putArchive(context, container.id, found.path, tar, signal);
    },

    async copyOut(id, path, hostPath, options = {}) {
      const wanted = requireFilePath(path);
      const { signal } = options;
      const container = await requireContainer(context, id, signal);
      const archive = await containers.getArchive(container.id, wanted, { signal });
      if (archive === undefined) throw notFound(wanted);
      await unpackToHost(archive, { hostPath, name: nameOf(wanted), signal });
    },
  };
}

async function readHeader(
  context: DockerContext,
  containerId: string,
  path: string,
  signal: AbortSignal | undefined,
): Promise<{ mode?: number; uid?: number; gid?: number } | undefined> {
  const limit = Number.MAX_SAFE_INTEGER;
  return (await readArchiveFile(context.engine, containerId, path, limit, signal))?.header;
}

/** Adds the directories of `directory` that are missing; resolves to the deepest one that exists. */
async function packParents(
  context: DockerContext,
  containerId: string,
  directory: string,
  tar: ReturnType<typeof pack>,
  signal: AbortSignal | undefined,
): Promise<string> {
  const missing: string[] = [];
  let base = directory;
  while (base !== "/") {
    const stat = await context.engine.containers.statPath(containerId, base, { signal });
    if (stat !== undefined) break;
    missing.unshift(base);
    base = parentOf(base);
  }
  for (const path of missing) {
    const name = `${path.slice(base === "/" ? 1 : base.length + 1)}/`;
    tar.entry({ name, type: "directory", mode: 0o755, mtime: new Date(context.clock.now()) });
  }
  return base;
}

async function putArchive(
  context: DockerContext,
  containerId: string,
  path: string,
  tar: ReturnType<typeof pack>,
  signal: AbortSignal | undefined,
): Promise<void> {
  let broken: Error | undefined;
  tar.once("error", (error) => (broken = error));
  try {
    await context.engine.containers.putArchive(containerId, path, tar as never, { signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (broken !== undefined) throw broken;
    if (isProvisionerError(error, "ERR_ENGINE_NOT_FOUND")) throw notFound(path, error);
    throw error;
  } finally {
    tar.destroy();
  }
}

function toFileStat(path: string, stat: PathStat): FileStat {
  return {
    path,
    sizeBytes: stat.sizeBytes,
    mode: stat.mode & 0o777,
    kind: stat.kind,
    modifiedAt: stat.modifiedAt,
  };
}

function wrongKind(path: string, kind: string): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_FILE_KIND", `${path} is a ${kind}.`, {
    hint: "Give the path of what the command works on: a file to read and write, a directory to copy into.",
    details: { path, kind },
  });
}

function notFound(path: string, cause?: unknown): WorkspaceError {
  return new WorkspaceError(
    "ERR_WORKSPACE_FILE_NOT_FOUND",
    `There is no ${path} in the workspace.`,
    {
      hint: "Look at the directory above it.",
      cause,
      details: { path },
    },
  );
}
