import { mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { randomBytes } from "node:crypto";
import { z } from "zod";
import { ImageBuildError } from "../errors.js";
import type { BuilderAction } from "./builder-info.js";

/** What is remembered of a builder that we made or used. */
export interface BuilderRecord {
  readonly name: string;
  /** Of the last time it was ensured. */
  readonly action: BuilderAction;
  readonly driver: string;
  readonly endpoint: string;
  /** ISO 8601; null when it was there before us. */
  readonly createdAt: string | null;
  /** Digest of everything it was made with; null when it was there before us. */
  readonly settings: string | null;
}

const RECORD = z.object({
  name: z.string(),
  action: z.enum(["reused", "created", "recreated"]),
  driver: z.string(),
  endpoint: z.string(),
  createdAt: z.string().nullable(),
  settings: z.string().nullable(),
});

/** The directory of one builder: its record, its configuration, its lock. */
export function builderDirectory(stateDirectory: string, name: string): string {
  return join(stateDirectory, "builders", name);
}

/** Undefined when there is none, or one that cannot be understood: then nothing is known. */
export async function readBuilderRecord(
  stateDirectory: string,
  name: string,
): Promise<BuilderRecord | undefined> {
  const path = join(builderDirectory(stateDirectory, name), "builder.json");
  try {
    return RECORD.parse(JSON.parse(await readFile(path, "utf8")));
  } catch {
    return undefined;
  }
}

export async function writeBuilderRecord(
  stateDirectory: string,
  record: BuilderRecord,
): Promise<void> {
  const ordered: BuilderRecord = RECORD.parse(record);
  await writeBuilderFile(
    stateDirectory,
    { builder: record.name, file: "builder.json" },
    `${JSON.stringify(ordered)}\n`,
  );
}

/** Writes a file of a builder whole or not at all; resolves to its path. Throws `ERR_BUILDER`. */
export async function writeBuilderFile(
  stateDirectory: string,
  where: { readonly builder: string; readonly file: string },
  content: string,
): Promise<string> {
  const directory = builderDirectory(stateDirectory, where.builder);
  const path = join(directory, where.file);
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
    return path;
  } catch (cause) {
    await rm(temporary, { force: true }).catch(() => {});
    throw new ImageBuildError("ERR_BUILDER", `The state of a builder cannot be kept in ${path}.`, {
      hint: "Make that directory writable, or name another one with MOLECULE_BUILD_STATE_DIR.",
      cause,
    });
  }
}

/** Removes all that is kept of a builder. */
export async function forgetBuilder(stateDirectory: string, name: string): Promise<void> {
  await rm(builderDirectory(stateDirectory, name), { recursive: true, force: true });
}
