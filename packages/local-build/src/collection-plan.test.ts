import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Checkout } from "./checkout-store.js";
import { planCollection, type CollectionInput } from "./collection-plan.js";
import type { LocalImage } from "./local-images.js";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const NOW = 1000 * DAY;
const LIMITS = { maxAgeMs: 30 * DAY, keepPerRuntime: 5, maxBytes: 10_000, graceMs: HOUR };

function image(overrides: Partial<LocalImage> & { readonly id?: number } = {}): LocalImage {
  const { id = 1, ...rest } = overrides;
  const revision = id.toString(16).padStart(40, "0");
  return {
    imageId: `sha256:${id}`,
    runtime: "langgraph",
    ref: `molecule-local/workspace-template-langgraph:${revision.slice(0, 12)}`,
    revision,
    revisions: [revision],
    tree: revision,
    source: "https://h/o/r",
    platform: undefined,
    settings: "s",
    tags: [`molecule-local/workspace-template-langgraph:${revision.slice(0, 12)}`],
    otherTags: [],
    latest: false,
    sizeBytes: 100,
    builtAt: NOW - DAY,
    committedAt: undefined,
    usedAt: NOW - DAY - id,
    usedBy: [],
    checkoutPath: undefined,
    ...rest,
  };
}

function checkout(sha: string, usedAt: number): Checkout {
  return {
    path: `/c/${sha}`,
    usedAt,
    record: {
      version: 1,
      runtime: "langgraph",
      sha,
      tree: sha,
      source: "https://h/o/r",
      committedAt: undefined,
      files: 1,
      sizeBytes: 10,
      via: "git",
      submodules: {},
    },
  };
}

function plan(input: Partial<CollectionInput>): Record<string, string> {
  const full = {
    images: [],
    checkouts: [],
    busyRuntimes: new Set<string>(),
    limits: LIMITS,
    now: NOW,
  };
  const { images, checkouts } = planCollection({ ...full, ...input });
  return Object.fromEntries([
    ...images.map(({ image: item, verdict }) => [
      item.imageId,
      `${verdict.keep ? "keep" : "remove"}: ${verdict.reason}`,
    ]),
    ...checkouts.map(({ checkout: item, verdict }) => [
      item.path,
      `${verdict.keep ? "keep" : "remove"}: ${verdict.reason}`,
    ]),
  ]) as Record<string, string>;
}

const old = { usedAt: NOW - 40 * DAY };

describe("an image", () => {
  test("that is too old goes, and with it its checkout", () => {
    const [a, b] = [image({ id: 1 }), image({ id: 2, ...old })];
    expect(plan({ images: [a, b], checkouts: [checkout(b.revision, NOW - 40 * DAY)] })).toEqual({
      "sha256:1": "keep: the newest image of langgraph",
      "sha256:2": "remove: not used for 40 days",
      [`/c/${b.revision}`]: "remove: no image of this commit stays",
    });
  });

  test.each([
    ["used by container ws-1", { usedBy: ["ws-1"] }],
    ["also named my/name:1", { otherTags: ["my/name:1"] }],
    ["used just now", { usedAt: NOW - 1 }],
  ])("stays however old: %s", (reason, protection) => {
    const newest = image({ id: 1, latest: true, usedAt: NOW });
    const limits = { ...LIMITS, maxAgeMs: 1, keepPerRuntime: 1, maxBytes: 1 };
    const found = plan({ images: [newest, image({ id: 2, ...old, ...protection })], limits });
    expect(found["sha256:2"]).toBe(`keep: ${reason}`);
  });

  test("of a runtime that is being built stays, and so does its checkout", () => {
    const found = plan({
      images: [image({ id: 1 }), image({ id: 2, ...old })],
      checkouts: [checkout("f".repeat(40), 0)],
      busyRuntimes: new Set(["langgraph"]),
    });
    expect(Object.values(found)).toEqual([
      "keep: langgraph is being built",
      "keep: langgraph is being built",
      "keep: langgraph is being built",
    ]);
  });

  test("that is latest stays, though another was used later", () => {
    const found = plan({ images: [image({ id: 1 }), image({ id: 2, ...old, latest: true })] });
    expect(found["sha256:2"]).toBe("keep: the newest image of langgraph");
  });

  test("that is one too many goes, the least recently used first", () => {
    const images = [1, 2, 3, 4].map((id) => image({ id }));
    const found = plan({ images, limits: { ...LIMITS, keepPerRuntime: 3 } });
    expect(found["sha256:3"]).toBe("keep: within the limits");
    expect(found["sha256:4"]).toBe("remove: 3 newer images of langgraph exist");
  });

  test("goes when all together are too large, the least recently used first", () => {
    const images = [1, 2, 3].map((id) => image({ id }));
    const found = plan({ images, limits: { ...LIMITS, maxBytes: 250 } });
    expect(found["sha256:2"]).toBe("keep: within the limits");
    expect(found["sha256:3"]).toBe("remove: all together are larger than 250 bytes");
  });

  test("whose tags another build took over goes after the grace period", () => {
    const images = [image({ id: 1 }), image({ id: 2, ref: undefined, tags: [] })];
    expect(plan({ images })["sha256:2"]).toBe("remove: replaced by another build");
  });

  test("of another platform has a newest of its own", () => {
    const images = [image({ id: 1 }), image({ id: 2, ...old, platform: "linux/arm64" })];
    expect(plan({ images })["sha256:2"]).toBe("keep: the newest image of langgraph");
  });
});

test("whatever there is and whatever the limits: what is protected stays, and each runtime keeps one", () => {
  const anyImage = fc
    .record({
      runtime: fc.constantFrom("a", "b"),
      age: fc.integer({ min: 0, max: 100 * DAY }),
      used: fc.boolean(),
      named: fc.boolean(),
      latest: fc.boolean(),
      sizeBytes: fc.integer({ min: 0, max: 5000 }),
    })
    .map(({ age, used, named, ...rest }) => ({
      ...rest,
      usedAt: NOW - age,
      usedBy: used ? ["c"] : [],
      otherTags: named ? ["n"] : [],
    }));
  fc.assert(
    fc.property(
      fc.array(anyImage, { maxLength: 12 }),
      fc.record({
        maxAgeMs: fc.integer({ min: 1, max: 50 * DAY }),
        keepPerRuntime: fc.integer({ min: 1, max: 4 }),
        maxBytes: fc.integer({ min: 1, max: 20_000 }),
        graceMs: fc.constant(HOUR),
      }),
      (list, limits) => {
        const images = list.map((item, index) => image({ id: index + 1, ...item }));
        const result = planCollection({
          images,
          checkouts: [],
          busyRuntimes: new Set(),
          limits,
          now: NOW,
        });
        for (const { image: item, verdict } of result.images) {
          const isProtected =
            item.usedBy.length > 0 || item.otherTags.length > 0 || NOW - item.usedAt < HOUR;
          if (isProtected) expect(verdict.keep).toBe(true);
          expect(verdict.reason).not.toBe("");
        }
        for (const runtime of new Set(images.map((item) => item.runtime))) {
          const kept = result.images.filter(
            ({ image: item, verdict }) => item.runtime === runtime && verdict.keep,
          );
          expect(kept.length).toBeGreaterThan(0);
        }
      },
    ),
  );
});
