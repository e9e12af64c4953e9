import { expect, it } from "vitest";
import { leftovers, oursAmong } from "../leftovers.mjs";

/** @param {string} name @returns {import("../leftovers.mjs").Resource} */
const image = (name) => ({ kind: "image", id: `sha256:${name}`, name });

it("knows what is ours by label or by name, and leaves the rest of the engine alone", () => {
  const found = oursAmong([
    { kind: "container", id: "1", names: ["ws-abc"], labels: {} },
    { kind: "container", id: "2", names: ["postgres"], labels: { "com.docker.compose.x": "y" } },
    { kind: "volume", id: "3", names: ["data"], labels: { "molecule.platform.managed": "true" } },
    { kind: "image", id: "4", names: ["debian:bookworm-slim"], labels: {} },
    { kind: "image", id: "5", names: [], labels: { "molecule.image.tree": "x" } },
    { kind: "image", id: "6", names: ["mirror/x:1", "molecule-local/x:1"], labels: {} },
  ]);
  expect(found.map(({ id }) => id)).toEqual(["1", "3", "5", "6"]);
});

it("tells what is new, apart from what all tests share and the base image", () => {
  /** @type {import("../leftovers.mjs").Resource} */
  const network = { kind: "network", id: "n", name: "molecule-monorepo-net" };
  const before = [image("molecule-local/old:1")];
  const after = [
    ...before,
    image("molecule-local/new:1"),
    image("molecule-test/busybox:latest"),
    image("molecule-local/base:bookworm"),
    network,
  ];
  const { shared, left } = leftovers(before, after);
  expect(left).toEqual([image("molecule-local/new:1")]);
  expect(shared).toEqual([image("molecule-test/busybox:latest"), network]);
});

it("takes a name that moved to another image for new", () => {
  const moved = { ...image("molecule-local/old:1"), id: "sha256:other" };
  expect(leftovers([image("molecule-local/old:1")], [moved]).left).toEqual([moved]);
});
