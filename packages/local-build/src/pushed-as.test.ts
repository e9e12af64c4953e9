import { resolveRegistry } from "@molecule-ai/registry-mode";
import { expect, it } from "vitest";
import { digestRepository } from "./digest-repository.js";

const local = resolveRegistry({});
const remote = resolveRegistry({ MOLECULE_IMAGE_REGISTRY: "registry.example.com/molecule" });

it("is where the image was pushed, which its local name does not say", () => {
  const pushed = { registry: local, pushPrefix: "registry.example.com:5000/team" };
  expect(digestRepository("hello", pushed)).toBe(
    "registry.example.com:5000/team/workspace-template-hello",
  );
});

it("is nowhere for what was pushed nowhere, and the image's own where images are pulled", () => {
  expect(digestRepository("hello", { registry: local, pushPrefix: undefined })).toBeNull();
  expect(digestRepository("hello", { registry: remote, pushPrefix: "x/y" })).toBeUndefined();
});
