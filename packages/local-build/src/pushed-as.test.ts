import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { resolveRegistry } from "@molecule-ai/registry-mode";
import { afterAll, beforeAll, expect, it } from "vitest";
import { createPushRecords } from "./push-record.js";
import { pushedAs } from "./pushed-as.js";

const registry = resolveRegistry({});
const imageId = `sha256:${"1".repeat(64)}`;
const digest = `sha256:${"a".repeat(64)}`;
const otherDigest = `sha256:${"b".repeat(64)}`;
let cacheDirectory: string;

beforeAll(async () => {
  cacheDirectory = await mkdtemp(join(tmpdir(), "pushed-as-"));
  await createPushRecords(cacheDirectory).add(
    "hello",
    new Map([
      ["registry.example.com:5000/team/workspace-template-hello:latest", { imageId, digest }],
      ["old.example.com/team/workspace-template-hello:1", { imageId, digest: otherDigest }],
    ]),
  );
});
afterAll(() => rm(cacheDirectory, { recursive: true, force: true }));

const ask = (pushPrefix: string | undefined, image = { runtime: "hello", imageId }) =>
  pushedAs(image, { registry, cacheDirectory, pushPrefix });

it("is where the image was pushed, which its local name does not say", async () => {
  expect(await ask("registry.example.com:5000/team")).toBe(
    `registry.example.com:5000/team/workspace-template-hello@${digest}`,
  );
});

it("is where it was pushed last, when that is no longer wanted", async () => {
  expect(await ask(undefined)).toBe(`old.example.com/team/workspace-template-hello@${otherDigest}`);
});

it("is nowhere for what was pushed nowhere, and the image's own name where images are pulled", async () => {
  expect(await ask("x/y", { runtime: "hello", imageId: digest })).toBeNull();
  expect(await ask("x/y", { runtime: "other", imageId })).toBeNull();
  const pulled = resolveRegistry({ MOLECULE_IMAGE_REGISTRY: "registry.example.com/molecule" });
  const settings = { registry: pulled, cacheDirectory, pushPrefix: undefined };
  expect(await pushedAs({ runtime: "hello", imageId }, settings)).toBeUndefined();
});
