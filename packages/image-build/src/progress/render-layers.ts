import { renderRow } from "../render/section.js";
import type { BuildLayer } from "./build-layer.js";
import { layerText, layerTiming } from "./layer-view.js";

const LABEL_WIDTH = 8;
const TEXT_WIDTH = 42;

/** One row of a section for each layer: what it is, its image or instruction, how long it took. */
export function renderBuildLayers(layers: readonly BuildLayer[]): string {
  return layers.map((layer) => renderRow(rowOf(layer))).join("");
}

function rowOf(layer: BuildLayer): string {
  const label = layer.instruction === "FROM" ? "base" : layer.instruction;
  const columns = `${label.padEnd(LABEL_WIDTH)}${layerText(layer).padEnd(TEXT_WIDTH)}`;
  return `${columns} ${layerTiming(layer)}`.trimEnd();
}
