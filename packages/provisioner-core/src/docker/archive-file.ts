import type { DockerEngine } from "@molecule-ai/docker-engine";
import { extract, type Header } from "tar-stream";

/** One file out of a container. */
export interface ArchiveFile {
  readonly header: Header;
  readonly content: Buffer;
}

/** The file is longer than the caller takes; nothing of it was kept. */
export class ArchiveFileTooLarge extends Error {
  readonly sizeBytes: number;

  constructor(sizeBytes: number) {
    super(`The file has ${sizeBytes} bytes.`);
    this.sizeBytes = sizeBytes;
  }
}

/**
 * Reads what is at `path`: content for a regular file, empty for anything else (see the header's
 * type). Undefined when the path is absent; throws {@link ArchiveFileTooLarge} past `maxBytes`.
 */
export async function readArchiveFile(
  engine: DockerEngine,
  containerId: string,
  path: string,
  maxBytes: number,
  signal: AbortSignal | undefined,
): Promise<ArchiveFile | undefined> {
  const archive = await engine.containers.getArchive(containerId, path, { signal });
  if (archive === undefined) return undefined;
  const entries = extract();
  archive.once("error", (error) => entries.destroy(error));
  archive.pipe(entries);
  try {
    for await (const entry of entries) {
      const { header } = entry;
      if (header.type !== "file") return { header, content: Buffer.alloc(0) };
      if ((header.size ?? 0) > maxBytes) throw new ArchiveFileTooLarge(header.size ?? 0);
      const chunks: Buffer[] = [];
      for await (const chunk of entry) chunks.push(chunk as Buffer);
      return { header, content: Buffer.concat(chunks) };
    }
    return undefined;
  } finally {
    archive.destroy();
    entries.destroy();
  }
}
