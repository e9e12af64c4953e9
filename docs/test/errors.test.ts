import { expect, it } from "vitest";
import { firstCodeCells, readDoc, readSources } from "./sources.js";

const documented = firstCodeCells(readDoc("errors.md"));
const thrown = new Set(
  readSources().flatMap(({ text }) =>
    [...text.matchAll(/["'`](ERR_[A-Z0-9_]*[A-Z0-9])["'`]/g)].map((match) => match[1] ?? ""),
  ),
);

it("documents every error code of the sources", () => {
  expect([...thrown].filter((code) => !documented.includes(code)).sort()).toEqual([]);
});

it("documents no error code that the sources do not have", () => {
  expect(documented.filter((code) => !thrown.has(code)).sort()).toEqual([]);
});

it("documents each code once", () => {
  expect(documented.filter((code, at) => documented.indexOf(code) !== at)).toEqual([]);
});

it("finds codes at all", () => {
  expect(thrown.size).toBeGreaterThan(20);
});
