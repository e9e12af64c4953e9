import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { formatEntry } from "../../src/failure/error-surface.js";
import { parseBuildErrors } from "../../src/failure/parse-build-errors.js";
import { renderBuildError } from "../../src/failure/render-error.js";
import type { BuildLayer } from "../../src/progress/build-layer.js";
import { layerText, layerTiming } from "../../src/progress/layer-view.js";
import { parsePlainProgress } from "../../src/progress/plain-progress.js";
import { renderBuildLayers } from "../../src/progress/render-layers.js";

interface Vector {
  readonly fn: string;
  readonly input: string;
  readonly expected: unknown;
  readonly note: string;
  /** What the original did, where ours is corrected, and why. */
  readonly source?: unknown;
  readonly why?: string;
}

const vectors = JSON.parse(
  readFileSync(new URL("../fixtures/vectors/errors.json", import.meta.url), "utf8"),
) as Vector[];

/** Inputs that the vectors describe instead of giving them. */
const DESCRIBED: Readonly<Record<string, string>> = {
  "40 lines 'ERROR: e0'..'ERROR: e39'": Array.from({ length: 40 }, (_, n) => `ERROR: e${n}`).join(
    "\n",
  ),
};

const layer = (instruction: string, detail: string, rest: Partial<BuildLayer>): BuildLayer => ({
  stage: "",
  stageStep: "1/3",
  platform: undefined,
  instruction,
  detail,
  image: "",
  cached: false,
  durationMs: 0,
  ...rest,
});

const DESCRIBED_LAYERS: Readonly<Record<string, readonly BuildLayer[]>> = {
  "golang base 2.4s, COPY cached, RUN 44.8s": [
    layer("FROM", "docker.io/library/golang:1.26", {
      image: "docker.io/library/golang:1.26",
      durationMs: 2400,
    }),
    layer("COPY", ". .", { cached: true }),
    layer("RUN", "go build ./...", { durationMs: 44_800 }),
  ],
};

function run({ fn, input, expected }: Vector): unknown {
  switch (fn) {
    case "ParseBuildxOutput":
      return parsePlainProgress(input).map(({ platform, ...rest }) => ({
        ...rest,
        ...(platform === undefined ? {} : { platform }),
        display: layerText({ platform, ...rest }),
        timing: layerTiming({ platform, ...rest }),
      }));
    case "ParseBuildErrors": {
      const { entries, lines } = parseBuildErrors(DESCRIBED[input] ?? input);
      if (typeof expected === "object" && expected !== null && "entryCount" in expected) {
        return {
          entryCount: entries.length,
          last: entries.at(-1)?.message,
          lineCount: lines.length,
        };
      }
      return {
        entries: entries.map((entry) => ({
          tool: entry.tool,
          file: entry.file ?? "",
          line: entry.line ?? 0,
          col: entry.col ?? 0,
          message: entry.message,
          raw: entry.raw,
          rendered: formatEntry(entry),
          ...(entry.code === undefined ? {} : { code: entry.code }),
        })),
        lineCount: lines.length,
      };
    }
    case "RenderBuildError":
      return renderBuildError(input);
    case "renderBuildLayers":
      return renderBuildLayers(DESCRIBED_LAYERS[input] ?? []);
    default:
      throw new Error(`unknown function ${fn}`);
  }
}

describe("the vectors of errors and layers", () => {
  it.each(vectors.map((vector, index) => [index, vector.note, vector] as const))(
    "%d: %s",
    (_, __, vector) => {
      expect(run(vector)).toEqual(vector.expected);
      expect(vector.source === undefined).toBe(vector.why === undefined);
    },
  );
});
