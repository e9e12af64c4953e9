import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { distributionOf } from "../src/images/distribution.js";
import { extractInventory } from "../src/index.js";
import { guessBinaryName } from "../src/managers/binary-name.js";
import { readShell } from "../src/shell/read-shell.js";

interface Vector {
  readonly fn: string;
  readonly input: string;
  readonly expected: unknown;
  readonly note: string;
  /** What the source of the vector answers, where that is not right. */
  readonly source?: unknown;
  readonly why?: string;
}

const vectors = JSON.parse(
  readFileSync(new URL("fixtures/vectors.json", import.meta.url), "utf8"),
) as readonly Vector[];

/** Our inventory in the shape of the vectors. */
function inventoryOf(text: string): object {
  const { args, baseImages, lineage, packages } = extractInventory(text);
  return {
    args: args.map((argument) => ({
      default: argument.default ?? "",
      line: argument.sourceRef,
      name: argument.name,
    })),
    baseImages: baseImages.map(
      ({ confidence, final, manager, name, pinned, sourceRef, stage, version = "" }) => ({
        confidence,
        final,
        manager,
        name,
        pinned,
        source: "base_image",
        sourceRef,
        stage,
        version,
      }),
    ),
    lineage,
    packages: packages.map(({ manager, name, pinned, version = "", url }) => ({
      manager,
      name,
      pinned,
      version,
      ...(url === undefined ? {} : { url }),
    })),
  };
}

/** The shape of the later vectors. */
function shortInventoryOf(text: string): object {
  const { baseImages, lineage, packages } = extractInventory(text);
  return {
    baseImages: baseImages.map(({ final, name, sourceRef, stage, version = "" }) => ({
      final,
      name,
      sourceRef,
      stage,
      version,
    })),
    lineage,
    packages: packages.map(({ manager, name }) => `${manager}:${name}`),
  };
}

function answer({ fn, input }: Vector): unknown {
  switch (fn) {
    case "ExtractInventory":
      return inventoryOf(input);
    case "ExtractInventory@HEAD":
      return shortInventoryOf(input);
    case "splitShellCommands":
      return readShell(input).map(({ text }) => text);
    case "guessBinaryName":
      return guessBinaryName(input);
    case "parseDistroFromSuffix":
      return [distributionOf(input)].filter((found) => found !== undefined);
    default:
      throw new Error(`no test for ${fn}`);
  }
}

describe("vectors", () => {
  it.each(vectors)("$fn of $input", (vector) => {
    expect(answer(vector)).toEqual(vector.expected);
  });

  it("says why wherever it differs from its source", () => {
    for (const { source, why } of vectors) {
      expect((source === undefined) === (why === undefined)).toBe(true);
    }
  });
});
