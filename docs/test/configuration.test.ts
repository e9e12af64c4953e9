import { expect, it } from "vitest";
import { firstCodeCells, readDoc, readSources } from "./sources.js";

const documented = firstCodeCells(readDoc("configuration.md"));

/** Variables are read as `env["NAME"]`, in `…FromEnv` functions and in `apps/*\/src/config.ts` only. */
const read = new Set(
  readSources().flatMap(({ text }) =>
    [...text.matchAll(/\benv(?:ironment)?\["([A-Z][A-Z0-9_]+)"\]/g)].map((match) => match[1] ?? ""),
  ),
);

it("documents every variable the sources read", () => {
  expect([...read].filter((name) => !documented.includes(name)).sort()).toEqual([]);
});

it("documents no variable that no source names", () => {
  const all = readSources()
    .map(({ text }) => text)
    .join("\n");
  const named = (name: string): boolean =>
    all.includes(name) || all.includes(name.replace(/\d/, "${tier}")) || name.includes("<");
  expect(documented.filter((name) => !named(name)).sort()).toEqual([]);
});

it("finds variables at all", () => {
  expect(read.size).toBeGreaterThan(10);
});
