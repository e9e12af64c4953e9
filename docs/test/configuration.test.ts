import { expect, it } from "vitest";
import { firstCodeCells, readDoc, readSources } from "./sources.js";

const documented = firstCodeCells(readDoc("configuration.md"));

/** Upper-case literals of the files that read an environment: a `…FromEnv` function, or an app's config. */
const read = new Set(
  readSources()
    .filter(
      ({ path, text }) => /function \w+FromEnv\(/.test(text) || path.endsWith("/src/config.ts"),
    )
    .flatMap(({ text }) =>
      [
        ...text.matchAll(/["'`]((?:[A-Z][A-Z0-9]*_)*[A-Z][A-Z0-9]+)["'`]/g),
        // Members of the schema of an environment.
        ...text.matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm),
      ].map((match) => match[1] ?? ""),
    )
    // TIERn_ is put before the limits, and the runtime's name behind the ref.
    .map((name) => (/^(?:MEMORY_MB|CPU_SHARES|PIDS_LIMIT)$/.test(name) ? `TIERn_${name}` : name))
    .filter((name) => !/^(?:ERR|WARN|MOLECULE_TEMPLATE_REF)_|^(?:TRUE|FALSE)$/.test(name)),
);

it("documents every variable the sources read", () => {
  expect([...read].filter((name) => !documented.includes(name)).sort()).toEqual([]);
});

it("documents no variable that no source names", () => {
  const all = readSources()
    .map(({ text }) => text)
    .join("\n");
  const named = (name: string): boolean =>
    all.includes(name) || (name.startsWith("TIERn_") && all.includes(name.slice("TIERn_".length)));
  const exact = documented.filter((name) => !name.includes("<"));
  expect(exact.filter((name) => !named(name)).sort()).toEqual([]);
});

it("finds variables at all", () => {
  expect(read.size).toBeGreaterThan(10);
});
