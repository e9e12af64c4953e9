import { readFileSync } from "node:fs";

/** Of this program. */
export function readVersion(): string {
  // One level up from src/version.ts and from dist/<chunk>.js alike.
  const manifest = readFileSync(new URL("../package.json", import.meta.url), "utf8");
  return (JSON.parse(manifest) as { version: string }).version;
}
