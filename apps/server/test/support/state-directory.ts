import { cp, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inject } from "vitest";

/** A state directory of a server that never ran, whose empty database is made already; the caller's to remove. */
export async function makeStateDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-state-"));
  await cp(inject("blankState"), directory, { recursive: true });
  return directory;
}
