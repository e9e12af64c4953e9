import { z } from "zod";
import type { CallOptions, ContainerApi, ContainerInfo, PathStat } from "../engine.js";
import { isEngineError, isEngineNotFound, protocolError, statusError } from "../errors.js";
import { enginePath, type Transport } from "./transport.js";
import { text } from "./wire.js";

const STAT = z.looseObject({
  name: text,
  size: z.number(),
  mode: z.number(),
  mtime: z.string(),
  linkTarget: text,
});

// Bits of Go's os.FileMode.
const DIRECTORY = 0x8000_0000;
const SYMLINK = 0x0800_0000;
const IRREGULAR = 0x0200_0000 | 0x0100_0000 | 0x0400_0000 | 0x0008_0000 | 0x0020_0000;

/** The file calls of a container. They work whether it runs, stopped or never started. */
export function createArchiveApi(
  transport: Transport,
  inspect: (id: string, options?: CallOptions) => Promise<ContainerInfo | undefined>,
): Pick<ContainerApi, "putArchive" | "getArchive" | "statPath"> {
  const pathOf = (id: string): string => enginePath`/containers/${id}/archive`;

  /** After a 404: returns when it was the path, throws when it was the container. */
  const requireContainer = async (
    id: string,
    subject: string,
    options: CallOptions | undefined,
  ): Promise<void> => {
    if ((await inspect(id, options)) === undefined) {
      throw statusError(subject, 404, `there is no container ${id}`);
    }
  };

  return {
    async putArchive(id, path, tar, options) {
      const subject = `Write files under ${path} in container ${id}`;
      const signal = options?.signal;
      try {
        await transport.call(
          { method: "PUT", path: pathOf(id), query: { path }, body: tar, subject, signal },
          [200],
        );
      } catch (error) {
        // An engine that refuses early closes the connection under the upload, its answer lost.
        if (isEngineError(error, "ERR_ENGINE_TRUNCATED") && !Buffer.isBuffer(tar)) {
          await requireContainer(id, subject, options);
        }
        if (!isEngineNotFound(error)) throw error;
        await requireContainer(id, subject, options);
        throw statusError(subject, 404, `there is no directory ${path} in the container`);
      }
    },
    async getArchive(id, path, options) {
      const subject = `Read ${path} in container ${id}`;
      const { status, body } = await transport.open(
        { method: "GET", path: pathOf(id), query: { path }, subject, signal: options?.signal },
        [200, 404],
      );
      if (status === 200) return body;
      body.resume();
      await requireContainer(id, subject, options);
      return undefined;
    },
    async statPath(id, path, options) {
      const subject = `Look at ${path} in container ${id}`;
      const { status, headers } = await transport.call(
        { method: "HEAD", path: pathOf(id), query: { path }, subject, signal: options?.signal },
        [200, 404],
      );
      if (status === 200) return decodePathStat(headers["x-docker-container-path-stat"], subject);
      await requireContainer(id, subject, options);
      return undefined;
    },
  };
}

/** Decodes the header `X-Docker-Container-Path-Stat`. */
export function decodePathStat(header: string | undefined, subject: string): PathStat {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(header ?? "", "base64").toString("utf8"));
  } catch (cause) {
    throw protocolError(subject, "the engine's file header is not JSON", cause);
  }
  const stat = STAT.safeParse(value);
  if (!stat.success)
    throw protocolError(subject, "the engine's file header is unknown", stat.error);
  const { name, size, mode, mtime, linkTarget } = stat.data;
  return {
    name,
    sizeBytes: size,
    mode,
    kind: kindOf(mode),
    modifiedAt: Date.parse(mtime),
    linkTarget,
  };
}

function kindOf(mode: number): PathStat["kind"] {
  if ((mode & DIRECTORY) !== 0) return "directory";
  if ((mode & SYMLINK) !== 0) return "symlink";
  return (mode & IRREGULAR) === 0 ? "file" : "other";
}
