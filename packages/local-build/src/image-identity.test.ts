import { LABELS } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  factsFor,
  hasTag,
  imageLabels,
  ownTags,
  readImageLabels,
  sameTreeTag,
  standsForCommit,
} from "./image-identity.js";

const SHA = "a".repeat(40);
const base = {
  runtime: "langgraph",
  platform: undefined,
  settings: "s",
  installId: "me",
  sha: SHA,
  tree: "b".repeat(40),
  source: "https://h/o/r",
  committedAt: 1_700_000_000_000,
};
const REPOSITORY = "molecule-local/workspace-template-langgraph";

describe("labels", () => {
  test("say back what they were made from", () => {
    const hex = fc.stringMatching(/^[0-9a-f]{40}$/);
    fc.assert(
      fc.property(
        fc.record({
          runtime: fc.constantFrom("langgraph", "claude-code"),
          platform: fc.constantFrom(undefined, "linux/amd64", "linux/arm/v7"),
          settings: fc.string(),
          installId: fc.string(),
          sha: hex,
          tree: hex,
          source: fc.webUrl(),
          committedAt: fc.option(
            fc.integer({ min: 0, max: 4e9 }).map((s) => s * 1000),
            {
              nil: undefined,
            },
          ),
        }),
        (options) => {
          const { installId, sha, ...rest } = options;
          expect(readImageLabels(imageLabels(options))).toEqual({
            ...rest,
            install: installId,
            revision: sha,
          });
        },
      ),
    );
  });

  test("of which one is missing or means nothing are no labels of ours", () => {
    const labels = imageLabels(base);
    for (const key of Object.keys(labels)) {
      const { [key]: _gone, ...rest } = labels;
      const read = readImageLabels(rest);
      if (key === LABELS.created) expect(read?.committedAt).toBeUndefined();
      else expect(read).toBeUndefined();
    }
    for (const [key, value] of [
      [LABELS.revision, "abc"],
      [LABELS.tree, "x".repeat(40)],
      [LABELS.runtime, "../../etc"],
    ] as const) {
      expect(readImageLabels({ ...labels, [key]: value })).toBeUndefined();
    }
  });

  test("never make a container somebody runs by hand look managed", () => {
    expect(imageLabels(base)).not.toHaveProperty([LABELS.managed]);
    expect(imageLabels(base)).not.toHaveProperty([LABELS.workspace]);
  });
});

test("an image fits only its own runtime, platform and settings", () => {
  const image = { tags: [], labels: imageLabels(base) };
  const wanted = { runtime: "langgraph", platform: undefined, settings: "s" };
  expect(factsFor(image, wanted)).toBeDefined();
  expect(factsFor(image, { ...wanted, settings: undefined })).toBeDefined();
  expect(factsFor(image, { ...wanted, settings: "t" })).toBeUndefined();
  expect(factsFor(image, { ...wanted, platform: "linux/amd64" })).toBeUndefined();
  expect(factsFor(image, { ...wanted, runtime: "hermes" })).toBeUndefined();
});

test("an image stands for its own commit and those it carries the whole id of", () => {
  const other = "c".repeat(40);
  const image = { tags: [sameTreeTag("langgraph", other)], labels: imageLabels(base) };
  const facts = readImageLabels(image.labels);
  if (facts === undefined) throw new Error("no facts");
  expect(standsForCommit(image, facts, SHA)).toBe(true);
  expect(standsForCommit(image, facts, other)).toBe(true);
  expect(standsForCommit(image, facts, `${other.slice(0, 12)}${"0".repeat(28)}`)).toBe(false);
});

test("names with and without Podman's localhost are the same", () => {
  expect(hasTag({ tags: [`localhost/${REPOSITORY}:latest`] }, `${REPOSITORY}:latest`)).toBe(true);
});

test("only tags of our repository that name a commit or latest are ours", () => {
  const ours = [`${REPOSITORY}:latest`, `${REPOSITORY}:${"a".repeat(12)}`, `${REPOSITORY}:${SHA}`];
  const theirs = [
    "my/image:latest",
    `${REPOSITORY}:mine`,
    `${REPOSITORY}-x:latest`,
    "<none>:<none>",
  ];
  expect(ownTags({ tags: [...ours, ...theirs] }, "langgraph")).toEqual(ours);
});
