import type { BuildVertex } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  collectLayers,
  createLayerCollector,
  layerText,
  layerTiming,
  type LayerVertex,
} from "./layer-view.js";

const vertex = (name: string, rest: Partial<LayerVertex> = {}): LayerVertex => ({
  name,
  cached: false,
  durationMs: undefined,
  ...rest,
});

describe("collectLayers", () => {
  it("takes instructions only", () => {
    const layers = collectLayers([
      vertex("[internal] load build context"),
      vertex("exporting to image"),
      vertex("[auth] org/app:pull token for registry-1.docker.io"),
      vertex("[2/3] run make"),
    ]);
    expect(layers.map(({ instruction, detail }) => [instruction, detail])).toEqual([
      ["RUN", "make"],
    ]);
  });

  it("orders the steps of a stage by their numbers, and keeps stages together", () => {
    const names = ["[b 2/2] RUN b2", "[a 1/2] RUN a1", "[b 1/2] RUN b1", "[a 2/2] RUN a2"];
    const layers = collectLayers(names.map((name) => vertex(name)));
    expect(layers.map(({ detail }) => detail)).toEqual(["b1", "b2", "a1", "a2"]);
  });

  it.each([
    ["FROM --platform=linux/arm64 alpine:3 AS x", "alpine:3"],
    [`FROM docker.io/library/alpine:3@sha256:${"0".repeat(64)}`, "docker.io/library/alpine:3"],
    ["FROM scratch", "scratch"],
    ["COPY a b", ""],
  ])("names the image of %s", (text, image) => {
    expect(collectLayers([vertex(`[1/1] ${text}`)])[0]?.image).toBe(image);
  });

  it("takes any names", () => {
    const name = fc.oneof(
      fc.string(),
      fc.string().map((text) => `[a 1/2] ${text}`),
    );
    fc.assert(
      fc.property(fc.array(name), (names) => {
        for (const layer of collectLayers(names.map((text) => vertex(text)))) {
          expect(layer.detail.length).toBeLessThanOrEqual(60);
        }
      }),
    );
  });
});

describe("createLayerCollector", () => {
  const event = (status: BuildVertex["status"], durationMs?: number): BuildVertex => ({
    type: "build.vertex",
    id: "1",
    name: "[1/1] RUN x",
    status,
    ...(durationMs === undefined ? {} : { durationMs }),
  });

  it("knows of a step what was told last, and keeps its time", () => {
    const collector = createLayerCollector();
    collector.accept(event("started"));
    expect(collector.layers()).toEqual([]);
    collector.accept(event("completed", 1200));
    collector.accept(event("cached"));
    expect(collector.layers()).toMatchObject([{ cached: true, durationMs: 1200 }]);
  });

  it("leaves out a step that failed", () => {
    const collector = createLayerCollector();
    collector.accept(event("failed", 10));
    expect(collector.layers()).toEqual([]);
  });
});

describe("a layer's row", () => {
  it("shows the image of a base and the instruction of the rest", () => {
    const [base, copy] = collectLayers([vertex("[1/2] FROM a:1"), vertex("[2/2] COPY . .")]);
    expect([base, copy].map((layer) => layer && layerText(layer))).toEqual(["a:1", "COPY . ."]);
  });

  it.each([
    [0, ""],
    [40, "0.0s"],
    [59_900, "59.9s"],
    [60_000, "1.0m"],
    [75_200, "1.3m"],
  ])("shows %d ms as %j", (durationMs, text) => {
    const [layer] = collectLayers([vertex("[1/1] RUN x", { durationMs })]);
    expect(layer && layerTiming(layer)).toBe(text);
  });
});
