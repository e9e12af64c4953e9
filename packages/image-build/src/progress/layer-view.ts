import type { BuildEvent } from "@molecule-ai/core";
import { parseStepName } from "../dockerfile/dockerfile-outline.js";
import type { BuildLayer } from "./build-layer.js";

/** What a layer is made of: a step of any builder that ended well. */
export interface LayerVertex {
  /** As the builder names it, `[builder 2/5] RUN make`. */
  readonly name: string;
  readonly cached: boolean;
  readonly durationMs: number | undefined;
}

const MAX_DETAIL_LENGTH = 60;
const MAX_LAYERS = 20_000;

/** The steps that are instructions, stage by stage in the order in which the stages first ended one. */
export function collectLayers(vertices: Iterable<LayerVertex>): readonly BuildLayer[] {
  const stages = new Map<string, { readonly index: number; readonly layer: BuildLayer }[]>();
  for (const vertex of vertices) {
    const step = parseStepName(vertex.name);
    if (step === undefined) continue;
    const key = `${step.platform ?? ""} ${step.stage}`;
    const layers = stages.get(key) ?? [];
    stages.set(key, layers);
    layers.push({
      index: step.index,
      layer: {
        stage: step.stage,
        stageStep: `${step.index}/${step.total}`,
        platform: step.platform,
        ...describeInstruction(step.text),
        cached: vertex.cached,
        durationMs: vertex.durationMs ?? 0,
      },
    });
  }
  return [...stages.values()].flatMap((layers) =>
    layers.toSorted((a, b) => a.index - b.index).map(({ layer }) => layer),
  );
}

function describeInstruction(text: string): Pick<BuildLayer, "instruction" | "detail" | "image"> {
  const words = text.trim().replace(/^ONBUILD\s+/i, "");
  const found = /^(\S{1,20})\s*(.*)$/s.exec(words);
  const instruction = (found?.[1] ?? "").toUpperCase();
  const rest = found?.[2] ?? words;
  return {
    instruction,
    detail: rest.length <= MAX_DETAIL_LENGTH ? rest : `${rest.slice(0, MAX_DETAIL_LENGTH - 3)}...`,
    image: instruction === "FROM" ? imageOf(rest) : "",
  };
}

function imageOf(rest: string): string {
  const image = rest.split(/\s+/).find((word) => !word.startsWith("--")) ?? "";
  return image.replace(/@sha256:[0-9a-f]+$/, "");
}

/** Remembers of a build's events what its layers are. */
export interface LayerCollector {
  accept(event: BuildEvent): void;
  layers(): readonly BuildLayer[];
}

export function createLayerCollector(): LayerCollector {
  const ended = new Map<string, LayerVertex>();
  return {
    accept(event) {
      if (event.type !== "build.vertex") return;
      const { id, name, status, durationMs } = event;
      if (status !== "completed" && status !== "cached") return;
      const before = ended.get(id);
      if (before === undefined && ended.size >= MAX_LAYERS) return;
      ended.set(id, {
        name,
        cached: status === "cached",
        durationMs: durationMs ?? before?.durationMs,
      });
    },
    layers: () => collectLayers(ended.values()),
  };
}

/** What a row of the layer view shows in its second column. */
export function layerText(layer: BuildLayer): string {
  if (layer.image !== "") return layer.image;
  return `${layer.instruction} ${layer.detail}`.trim();
}

/** `cached`, `2.4s`, `1.3m`; empty for a step that took no time. */
export function layerTiming(layer: BuildLayer): string {
  if (layer.cached) return "cached";
  const seconds = layer.durationMs / 1000;
  if (seconds <= 0) return "";
  return seconds < 60 ? `${seconds.toFixed(1)}s` : `${(seconds / 60).toFixed(1)}m`;
}
