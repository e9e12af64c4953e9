import { describe, expect, it } from "vitest";
import { compareImages } from "./compare-images.js";
import type { ImageContents, LayerEntry } from "./image-contents.js";
import { checkRebuild, describeTrustLevel, reaches, trustLevelOf } from "./trust-level.js";

const file: LayerEntry = {
  path: "app/agent.py",
  type: "file",
  mode: 0o644,
  uid: 0,
  gid: 0,
  modifiedAt: 100,
  sizeBytes: 3,
  digest: "sha256:aaaaaaaaaaaaaaaa",
  target: "",
};
const other: LayerEntry = { ...file, path: "app/z.py" };

function image(id: string, diffId: string, entries: LayerEntry[], config = {}): ImageContents {
  return {
    id,
    config: { created: id, config: { Env: ["A=1"] }, ...config },
    layers: [{ diffId, entries }],
  };
}
const first = image("sha256:1", "sha256:l1", [file, other]);

function levelOf(
  second: ImageContents,
  graphs: [string | undefined, string | undefined] = ["g", "g"],
): string {
  const facts = (graph: string | undefined) => ({ graph, bases: ["b"] });
  return trustLevelOf(
    checkRebuild(compareImages(first, second), facts(graphs[0]), facts(graphs[1])),
  );
}

describe("compareImages", () => {
  it("finds nothing in the same image", () => {
    expect(compareImages(first, first)).toEqual({
      isIdentical: true,
      config: [],
      layers: [],
      files: [],
      isCut: false,
    });
  });

  it("says which file differs and in what", () => {
    const changed = { ...file, mode: 0o755, modifiedAt: 101, digest: "sha256:bbbbbbbbbbbbbbbb" };
    const { files } = compareImages(first, image("sha256:2", "sha256:l2", [changed]));
    expect(files).toEqual([
      {
        layer: 0,
        path: "app/agent.py",
        kinds: ["content", "mode", "time"],
        detail: expect.stringContaining("mode 0644, then 0755"),
      },
      { layer: 0, path: "app/z.py", kinds: ["only-first"], detail: "a file of 3 bytes" },
    ]);
  });

  it("knows a layer in which only the order differs", () => {
    const { layers, files } = compareImages(first, image("sha256:2", "sha256:l2", [other, file]));
    expect(files).toEqual([]);
    expect(layers).toEqual([
      { layer: 0, first: "sha256:l1", second: "sha256:l2", isReordered: true },
    ]);
  });

  it("names the field of the configuration", () => {
    const second = image("sha256:2", "sha256:l1", [file], { config: { Env: ["A=2"] } });
    expect(compareImages(first, second).config).toContainEqual({
      field: "config.Env[0]",
      first: "A=1",
      second: "A=2",
    });
  });

  it("lists a thousand files and says that there are more", () => {
    const many = Array.from({ length: 1500 }, (_, n) => ({ ...file, path: `f${n}` }));
    const { files, isCut } = compareImages(image("1", "a", many), image("2", "b", []));
    expect(files).toHaveLength(1000);
    expect(isCut).toBe(true);
  });
});

describe("trust levels", () => {
  it("are reproducible for the same image", () => {
    expect(levelOf(first)).toBe("reproducible");
  });

  it("are deterministic when only times and order differ", () => {
    expect(levelOf(image("sha256:2", "sha256:l2", [other, { ...file, modifiedAt: 7 }]))).toBe(
      "deterministic",
    );
  });

  it("are consistent when content differs", () => {
    expect(levelOf(image("sha256:2", "sha256:l2", [{ ...file, digest: "sha256:c" }, other]))).toBe(
      "consistent",
    );
  });

  it("are viable when the settings, or what was asked for, differ", () => {
    const second = image("sha256:2", "sha256:l1", [file, other], { config: { Env: ["A=2"] } });
    expect(levelOf(second)).toBe("viable");
    expect(levelOf(first, ["g", "h"])).toBe("viable");
  });

  it("are viable when content differs and nobody knows what was asked for", () => {
    const second = image("sha256:2", "sha256:l2", [{ ...file, digest: "sha256:c" }, other]);
    expect(levelOf(second, [undefined, "g"])).toBe("viable");
  });

  it("are ordered, and said in words", () => {
    expect(reaches("deterministic", "consistent")).toBe(true);
    expect(reaches("consistent", "deterministic")).toBe(false);
    expect(describeTrustLevel("viable")).toBe("viable (determinism not achieved)");
  });
});
