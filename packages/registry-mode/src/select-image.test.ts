import { describe, expect, it } from "vitest";
import { createRuntimeRegistry } from "./runtimes.js";
import { selectImage } from "./select-image.js";

const runtimes = createRuntimeRegistry();
const registry = { kind: "registry", prefix: "ghcr.io/molecule-ai" } as const;
const local = { kind: "local-build", repositoryPrefix: "https://git.example/t-" } as const;
const DIGEST = `sha256:${"a".repeat(64)}`;

describe("selectImage", () => {
  it("takes the image that was asked for", () => {
    const image = `ghcr.io/acme/own@${DIGEST}`;
    for (const choice of [registry, local]) {
      expect(selectImage({ registry: choice, runtimes, runtime: "hermes", image })).toBe(image);
    }
  });

  it("takes the runtime's image otherwise, also for an empty one", () => {
    expect(selectImage({ registry, runtimes, runtime: "hermes", image: "" })).toBe(
      "ghcr.io/molecule-ai/workspace-template-hermes:latest",
    );
  });

  it("takes the pinned image before the moving tag", () => {
    const pins = new Map([["hermes", DIGEST]]);
    expect(selectImage({ registry, runtimes, runtime: "hermes", pins })).toBe(
      `ghcr.io/molecule-ai/workspace-template-hermes@${DIGEST}`,
    );
    expect(selectImage({ registry, runtimes, runtime: "codex", pins })).toBe(
      "ghcr.io/molecule-ai/workspace-template-codex:latest",
    );
  });

  it("shows the local tag for a local build, which no pin can mean", () => {
    const pins = new Map([["hermes", DIGEST]]);
    expect(selectImage({ registry: local, runtimes, runtime: "hermes", pins })).toBe(
      "molecule-local/workspace-template-hermes:latest",
    );
  });

  it.each([registry, local])(
    "refuses an unknown runtime and never runs another: $kind",
    (choice) => {
      expect(() => selectImage({ registry: choice, runtimes, runtime: "unheard-of" })).toThrow(
        expect.objectContaining({ code: "ERR_RUNTIME_UNKNOWN" }),
      );
    },
  );

  it("refuses an image that is none", () => {
    expect(() =>
      selectImage({ registry, runtimes, runtime: "hermes", image: "Bad Image" }),
    ).toThrow(expect.objectContaining({ code: "ERR_IMAGE_REFERENCE_INVALID" }));
  });
});
