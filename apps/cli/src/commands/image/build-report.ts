import type { BuildLayer, BuildResult } from "@molecule-ai/image-build";
import { formatBytes, formatDuration } from "../../output/quantity.js";
import type { CommandResult } from "../../output/reporter.js";
import type { Style } from "../../output/style.js";
import { formatFields, formatTable } from "../../output/table.js";
import type { ProvenTag } from "./push.js";

/** What a build gave, and what is at its registries now. */
export function reportBuild(result: BuildResult, published: readonly ProvenTag[]): CommandResult {
  return {
    data: { image: result, published },
    text: (style) => format(result, published, style),
  };
}

function format(result: BuildResult, published: readonly ProvenTag[], style: Style): string {
  const { builder, cache } = result;
  const fields: (readonly [string, string | undefined])[] = [
    ["id", result.imageId],
    ["digest", result.digest],
    ["builder", builder === undefined ? result.backend : `${builder.name} (${builder.driver})`],
    ["context", result.contextBytes === 0 ? undefined : formatBytes(result.contextBytes)],
    ["cache", cache.mode === "off" ? undefined : `${cache.mode}: ${cache.result}`],
    ...cache.exports.map(
      ({ ref, outcome, reason }) =>
        ["cache to", `${ref} ${outcome}${reason === undefined ? "" : `: ${reason}`}`] as const,
    ),
    ...published.map(({ tag, digest }) => ["pushed", `${tag}@${digest}`] as const),
  ];
  const shown = fields.filter((field): field is readonly [string, string] => Boolean(field[1]));
  return [
    ...(result.layers.length === 0 ? [] : [formatLayers(result.layers, style), ""]),
    ...result.tags.map((tag) => style.strong(tag)),
    formatFields(shown.map(([name, value]) => [`  ${name}`, value] as const)),
  ].join("\n");
}

function formatLayers(layers: readonly BuildLayer[], style: Style): string {
  return formatTable(
    layers,
    [
      {
        title: "STEP",
        cell: ({ platform, stage, stageStep }) =>
          [platform, stage, stageStep]
            .filter((part) => part !== undefined && part !== "")
            .join(" "),
      },
      { title: "INSTRUCTION", cell: ({ instruction }) => instruction },
      { title: "", cell: ({ image, detail }) => image || detail },
      {
        title: "TIME",
        cell: ({ cached, durationMs }) => (cached ? "cached" : formatDuration(durationMs)),
        align: "right",
      },
    ],
    style.strong,
  );
}
