// Makes the empty database that stores of tests begin as, once for all test files: that takes seconds.
import { PGlite } from "@electric-sql/pglite";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestProject } from "vitest/node";

declare module "vitest" {
  export interface ProvidedContext {
    /** File of its `dumpDataDir`. */
    readonly storeDump: string;
    /** A state directory with it. */
    readonly blankState: string;
  }
}

let directory: string | undefined;

export async function setup(project: TestProject): Promise<void> {
  directory = await mkdtemp(join(tmpdir(), "molecule-store-"));
  const blankState = join(directory, "state");
  await mkdir(blankState);
  const client = await PGlite.create({ dataDir: join(blankState, "database") });
  const dump = await client.dumpDataDir("none");
  await client.close();
  const file = join(directory, "store.tar");
  await writeFile(file, dump.stream());
  project.provide("storeDump", file);
  project.provide("blankState", blankState);
}

export async function teardown(): Promise<void> {
  if (directory !== undefined) await rm(directory, { recursive: true, force: true });
}
