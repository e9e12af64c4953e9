import { randomUUID } from "node:crypto";
import { mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { JsonObject } from "@molecule-ai/core";
import { ImageTrustError } from "../errors.js";
import { parseStatement, type Statement } from "../verification/statement.js";

/** Statements about images of this machine, one file each, named by what they are about. */
export interface ProvenanceStore {
  /** Writes the statement about an image; an older one about the same image is replaced whole. */
  write(digest: string, statement: JsonObject): Promise<string>;
  /**
   * The statement about exactly that image. Undefined when there is none; `ERR_TRUST_MALFORMED` for a
   * file that is no statement, or is about another image.
   */
  read(digest: string): Promise<Statement | undefined>;
  /** Forgets an image. False when nothing was known of it. */
  remove(digest: string): Promise<boolean>;
}

const LARGEST_STATEMENT_BYTES = 4 * 1024 * 1024;

/** Keeps statements in `directory`, which is made when it is first needed. */
export function createProvenanceStore(directory: string): ProvenanceStore {
  const fileOf = (digest: string): string => {
    const hex = /^sha256:([0-9a-f]{64})$/.exec(digest)?.[1];
    if (hex !== undefined) return join(directory, `${hex}.json`);
    throw new ImageTrustError("ERR_TRUST_REFERENCE", `${digest.slice(0, 100)} is no digest.`, {
      hint: "Name the image by its id or manifest digest, sha256:….",
    });
  };
  return {
    async write(digest, statement) {
      const file = fileOf(digest);
      await mkdir(directory, { recursive: true, mode: 0o700 });
      const part = `${file}.${randomUUID()}`;
      try {
        await writeFile(part, `${JSON.stringify(statement, null, 2)}\n`, { mode: 0o600 });
        await rename(part, file);
      } finally {
        await rm(part, { force: true });
      }
      return file;
    },
    async read(digest) {
      const file = fileOf(digest);
      try {
        const { size } = await stat(file);
        if (size > LARGEST_STATEMENT_BYTES) throw notAbout(file, digest);
      } catch (error) {
        if (isAbsent(error)) return undefined;
        throw error;
      }
      const statement = parseStatement(await readFile(file));
      if (statement.subjects.some((subject) => subject.digest === digest)) return statement;
      throw notAbout(file, digest);
    },
    async remove(digest) {
      try {
        await rm(fileOf(digest));
        return true;
      } catch (error) {
        if (isAbsent(error)) return false;
        throw error;
      }
    },
  };
}

function isAbsent(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

function notAbout(file: string, digest: string): ImageTrustError {
  return new ImageTrustError("ERR_TRUST_MALFORMED", `${file} is no statement about ${digest}.`, {
    hint: "Remove the file and build the image again.",
  });
}
