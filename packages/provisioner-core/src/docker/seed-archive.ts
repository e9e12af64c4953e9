import type { Readable } from "node:stream";
import { pack, type Pack } from "tar-stream";
import { openTemplateFile, type Template, type TemplateEntry } from "../template.js";

/** A file or directory to put into a workspace before it starts. */
export interface SeedEntry {
  /** Absolute path inside the workspace. */
  readonly path: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly content:
    | { readonly kind: "directory" }
    | { readonly kind: "bytes"; readonly bytes: Uint8Array }
    | { readonly kind: "template"; readonly template: Template; readonly entry: TemplateEntry };
}

/**
 * A tar of `entries` relative to `base`, made while it is read. An entry that cannot be read ends the
 * stream with its error. Modification times are `mtimeMs`, in whole seconds.
 */
export function createSeedArchive(
  entries: readonly SeedEntry[],
  base: string,
  mtimeMs: number,
): Readable {
  const tar = pack();
  const mtime = new Date(mtimeMs);
  const write = async (): Promise<void> => {
    for (const entry of entries) await writeEntry(tar, entry, base, mtime);
    tar.finalize();
  };
  write().catch((error: unknown) => tar.destroy(error as Error));
  return tar as unknown as Readable;
}

async function writeEntry(tar: Pack, entry: SeedEntry, base: string, mtime: Date): Promise<void> {
  const { mode, uid, gid, content } = entry;
  const name = entry.path.slice(base === "/" ? 1 : base.length + 1);
  const header = { name, mode, uid, gid, mtime };
  if (content.kind === "directory") {
    await writeWhole(tar, { ...header, name: `${name}/`, type: "directory" }, undefined);
  } else if (content.kind === "bytes") {
    await writeWhole(tar, header, Buffer.from(content.bytes));
  } else if (content.entry.content !== undefined) {
    await writeWhole(tar, header, content.entry.content);
  } else {
    await writeFile(tar, header, content.template, content.entry);
  }
}

type EntryHeader = Parameters<Pack["entry"]>[0];

async function writeWhole(
  tar: Pack,
  header: EntryHeader,
  bytes: Buffer | undefined,
): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error?: Error | null): void => {
      if (error === null || error === undefined) resolve();
      else reject(error);
    };
    if (bytes === undefined) tar.entry(header, done);
    else tar.entry(header, bytes, done);
  });
}

async function writeFile(
  tar: Pack,
  header: EntryHeader,
  template: Template,
  entry: TemplateEntry,
): Promise<void> {
  const file = await openTemplateFile(template, entry);
  try {
    // Read to exactly the size the header promises: a file that grows meanwhile must not break it.
    const source = file.createReadStream({
      autoClose: false,
      start: 0,
      end: Math.max(0, entry.sizeBytes - 1),
    });
    if (entry.sizeBytes === 0) {
      source.destroy();
      await writeWhole(tar, { ...header, size: 0 }, Buffer.alloc(0));
      return;
    }
    await new Promise<void>((resolve, reject) => {
      const sink = tar.entry({ ...header, size: entry.sizeBytes }, (error) => {
        if (error === null || error === undefined) resolve();
        else reject(error);
      });
      source.once("error", (error) => sink.destroy(error));
      source.pipe(sink);
    });
  } finally {
    await file.close();
  }
}
