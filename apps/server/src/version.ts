import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { z } from "zod";

/** Of this program. */
export function readVersion(): string {
  const path = fileURLToPath(import.meta.resolve("@molecule-ai/server/package.json"));
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(path, "utf8"))).version;
}
