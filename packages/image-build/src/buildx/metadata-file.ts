import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MAX_METADATA_BYTES, parseBuildxMetadata, type BuildxMetadata } from "./metadata.js";

/** Where buildx writes the metadata of one build, in a directory only we may enter; disposal removes it. */
export interface MetadataFile extends AsyncDisposable {
  readonly path: string;
  /** Throws `ERR_BUILDX_FAILED` for what cannot be used; undefined when buildx wrote none. */
  read(): Promise<BuildxMetadata | undefined>;
}

export async function createMetadataFile(): Promise<MetadataFile> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-buildx-"));
  const path = join(directory, "metadata.json");
  return {
    path,
    async read() {
      const text = await readBounded(path);
      return text === undefined ? undefined : parseBuildxMetadata(text);
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** At most one byte more than is allowed, so that what is too long is seen to be. */
async function readBounded(path: string): Promise<string | undefined> {
  try {
    await using file = await open(path, "r");
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, MAX_METADATA_BYTES + 1));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    return bytes.toString("utf8", 0, bytesRead);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
