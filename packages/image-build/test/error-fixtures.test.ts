import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { BuildErrorEntry } from "../src/failure/build-error-entry.js";
import { parseBuildErrors } from "../src/failure/parse-build-errors.js";

const FOLDER = new URL("./fixtures/errors/", import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, FOLDER), "utf8");
const expectedOf = (name: string): Omit<BuildErrorEntry, "raw">[] =>
  JSON.parse(read(`${name}.json`)) as Omit<BuildErrorEntry, "raw">[];

/** Output of real tools, each with what is found in it. */
const names = readdirSync(FOLDER)
  .filter((name) => name.endsWith(".txt"))
  .map((name) => name.slice(0, -".txt".length));

/** The same lines as buildx shows them while the build runs. */
const insideStep = (text: string): string =>
  [
    "#7 [2/3] RUN x",
    ...text
      .trimEnd()
      .split("\n")
      .map((line, index) => `#7 ${index}.100 ${line}`),
  ].join("\n");

const withoutRaw = (entries: readonly BuildErrorEntry[]): Omit<BuildErrorEntry, "raw">[] =>
  entries.map((entry) => {
    const { raw, ...rest } = entry;
    expect(raw).not.toBe("");
    return rest;
  });

describe("errors in the output of real tools", () => {
  it.each(names)("%s", (name) => {
    const text = read(`${name}.txt`);
    const { entries, lines } = parseBuildErrors(text);
    expect(withoutRaw(entries)).toEqual(expectedOf(name));
    expect(entries.length).toBeGreaterThan(0);
    for (const { raw } of entries) expect(lines.map((line) => line.trim())).toContain(raw);
  });

  it.each(names.filter((name) => !name.startsWith("buildx-")))(
    "%s, with the prefixes of buildx",
    (name) => {
      const { entries } = parseBuildErrors(insideStep(read(`${name}.txt`)));
      expect(withoutRaw(entries)).toEqual(expectedOf(name));
    },
  );
});
