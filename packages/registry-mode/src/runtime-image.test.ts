import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseImageReference } from "./image-reference.js";
import { DEFAULT_REGISTRY_PREFIX } from "./registry.js";
import {
  isMovingTag,
  localImageLatestTag,
  localImageTag,
  pinnedImage,
  runtimeImage,
  runtimeOfImage,
} from "./runtime-image.js";
import { KNOWN_RUNTIMES } from "./runtimes.js";

const DIGEST = `sha256:${"a1".repeat(32)}`;
const SHA = "0123456789abcdef0123456789abcdef01234567";

describe("runtimeImage", () => {
  it.each(KNOWN_RUNTIMES)("names the image of %s under any prefix", (runtime) => {
    expect(runtimeImage(DEFAULT_REGISTRY_PREFIX, runtime)).toBe(
      `ghcr.io/molecule-ai/workspace-template-${runtime}:latest`,
    );
    expect(runtimeImage("localhost:5000/mine", runtime)).toBe(
      `localhost:5000/mine/workspace-template-${runtime}:latest`,
    );
  });

  it("sees another prefix at once: nothing is worked out beforehand", () => {
    expect(runtimeImage("a.example", "codex")).not.toBe(runtimeImage("b.example", "codex"));
  });

  it.each([
    " ",
    "https://ghcr.io/molecule-ai",
    "ghcr.io/molecule-ai/",
    "ghcr.io/Molecule-AI",
    "ghcr.io/molecule-ai:latest",
    "!!garbage!!",
    "..",
  ])("refuses the prefix %j, naming the variable", (prefix) => {
    expect(() => runtimeImage(prefix, "hermes")).toThrow(
      expect.objectContaining({
        code: "ERR_IMAGE_PREFIX_INVALID",
        hint: expect.stringContaining("MOLECULE_IMAGE_REGISTRY") as string,
      }),
    );
  });

  it("refuses a runtime that would leave its repository", () => {
    expect(() => runtimeImage("ghcr.io/x", "../evil")).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_NAME_INVALID" }),
    );
  });

  it("makes a valid reference or throws its error, whatever the prefix", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (prefix) => {
        try {
          parseImageReference(runtimeImage(prefix, "hermes"));
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_IMAGE_PREFIX_INVALID" });
        }
      }),
    );
  });
});

describe("local tags", () => {
  it("carry the first twelve characters of the commit", () => {
    expect(localImageTag("claude-code", SHA)).toBe(
      "molecule-local/workspace-template-claude-code:0123456789ab",
    );
  });

  it("keep a shorter commit whole", () => {
    expect(localImageTag("claude-code", "abc1234")).toBe(
      "molecule-local/workspace-template-claude-code:abc1234",
    );
  });

  it("have a moving one beside them", () => {
    expect(localImageLatestTag("hermes")).toBe("molecule-local/workspace-template-hermes:latest");
  });
});

describe("isMovingTag", () => {
  it.each([
    "ghcr.io/molecule-ai/workspace-template-hermes",
    ...["latest", "staging", "main", "dev", "edge", "nightly", "rolling"].map(
      (tag) => `ghcr.io/molecule-ai/workspace-template-hermes:${tag}`,
    ),
    "localhost:5000/foo",
    "[::1]:5000/foo",
  ])("is true for %s", (image) => {
    expect(isMovingTag(image)).toBe(true);
  });

  it.each([
    `ghcr.io/foo/bar@${DIGEST}`,
    `ghcr.io/foo/bar:latest@${DIGEST}`,
    "foo:0.8.2",
    "foo:abc1234",
    "foo:2026-04-30",
    "localhost:5000/foo:1",
  ])("is false for %s", (image) => {
    expect(isMovingTag(image)).toBe(false);
  });
});

describe("pinnedImage", () => {
  it("replaces the tag, keeping the port", () => {
    expect(pinnedImage("localhost:5000/foo:latest", DIGEST)).toBe(`localhost:5000/foo@${DIGEST}`);
    expect(pinnedImage(`ghcr.io/a/b:1@sha256:${"0".repeat(64)}`, DIGEST)).toBe(
      `ghcr.io/a/b@${DIGEST}`,
    );
  });

  it("refuses what is no digest", () => {
    for (const digest of ["", "latest", "a1".repeat(32), `${DIGEST}0`]) {
      expect(() => pinnedImage("foo", digest)).toThrow(
        expect.objectContaining({ code: "ERR_IMAGE_PINS_INVALID" }),
      );
    }
  });
});

describe("runtimeOfImage", () => {
  it.each([
    ["workspace-template:openclaw", "openclaw"],
    ["workspace-template:claude-code", "claude-code"],
    ["workspace-template:base", "base"],
    ["ghcr.io/molecule-ai/workspace-template-hermes:latest", "hermes"],
    ["ghcr.io/molecule-ai/workspace-template-claude-code:latest", "claude-code"],
    ["ghcr.io/molecule-ai/workspace-template-langgraph:sha-abc1234", "langgraph"],
    ["molecule-local/workspace-template-codex:0123456789ab", "codex"],
    ["myregistry.io/foo:v1.2", "v1.2"],
    ["no-colon-at-all", "no-colon-at-all"],
    ["foo:", "foo:"],
    ["localhost:5000/foo", "localhost:5000/foo"],
  ])("reads %s as %s", (image, runtime) => {
    expect(runtimeOfImage(image)).toBe(runtime);
  });

  it("leaves a digest out of the name", () => {
    expect(runtimeOfImage(`ghcr.io/molecule-ai/workspace-template-hermes@${DIGEST}`)).toBe(
      "hermes",
    );
    expect(runtimeOfImage(`ghcr.io/molecule-ai/workspace-template-hermes:1@${DIGEST}`)).toBe(
      "hermes",
    );
    expect(runtimeOfImage(`workspace-template:codex@${DIGEST}`)).toBe("codex");
  });
});
