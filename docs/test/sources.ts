import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dirname, "../..");

/** Text of every published source file of packages and apps: no tests, no testkit. */
export function readSources(): { readonly path: string; readonly text: string }[] {
  return ["packages", "apps"].flatMap((group) =>
    readdirSync(join(ROOT, group))
      .filter((room) => room !== "testkit")
      .flatMap((room) => {
        const folder = join(group, room, "src");
        return readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
          .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
          .map((name) => join(folder, name));
      })
      .map((path) => ({ path, text: readFileSync(join(ROOT, path), "utf8") })),
  );
}

export function readDoc(name: string): string {
  return readFileSync(join(import.meta.dirname, "..", name), "utf8");
}

/** The inline code span that begins the first cell, for every table row that has one. */
export function firstCodeCells(markdown: string): string[] {
  return [...markdown.matchAll(/^\|\s*`([^`|]+)`/gm)].map((match) => match[1] ?? "");
}
