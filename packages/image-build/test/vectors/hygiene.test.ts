import type { DockerEngine } from "@molecule-ai/docker-engine";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { applyCleanup } from "../../src/hygiene/apply-cleanup.js";
import { NO_CLEANUP, type CleanupPolicy } from "../../src/hygiene/cleanup-policy.js";
import { parseCleanupSettings } from "../../src/hygiene/cleanup-settings.js";
import type { CleanupInventory, InventoryImage } from "../../src/hygiene/inventory.js";
import { planCleanup } from "../../src/hygiene/plan-cleanup.js";
import { parseByteSize } from "../../src/units/byte-size.js";
import { parseDuration } from "../../src/units/duration.js";

const VECTORS = z
  .array(
    z.object({
      fn: z.string(),
      input: z.union([z.string(), z.record(z.string(), z.unknown())]),
      expected: z.unknown(),
      note: z.string(),
    }),
  )
  .parse(
    JSON.parse(readFileSync(join(import.meta.dirname, "../fixtures/vectors/hygiene.json"), "utf8")),
  );

const NOW = Date.UTC(2026, 0, 1);
const OLD = NOW - parseDuration("72h") - 1;
const YOUNG = NOW - parseDuration("72h");
const GB = 1024 ** 3;

const image = (id: string, tags: string[], newestAt: number): InventoryImage => ({
  id,
  tags,
  digests: [],
  labels: {},
  sizeBytes: 1,
  newestAt,
});

/** One thing of every class that is a moment too old for 72 hours, and one that is not. */
const PROBE: CleanupInventory = {
  images: [
    image("old", [], OLD),
    image("young", [], YOUNG),
    image("old-app", ["app:1"], OLD),
    image("young-app", ["app:2"], YOUNG),
    image("protected", ["prod/app:1"], OLD),
    image("protected-base", ["cr.io/base:7"], OLD),
  ],
  containers: [OLD, YOUNG].map((endedAt) => ({
    id: endedAt === OLD ? "old" : "young",
    name: "c",
    imageId: "other",
    imageRef: "other",
    labels: {},
    status: "exited",
    endedAt,
    namedVolumes: [],
    networks: [],
  })),
  networks: [{ id: "old", name: "n", driver: "bridge", labels: {}, createdAt: OLD }],
  // Twice twenty gigabytes, the first used longest ago.
  buildCache: [OLD - 3, OLD - 2, OLD - 1, OLD, YOUNG].map((lastUsedAt, index) => ({
    id: `${index}`,
    parents: [],
    type: "regular",
    description: "",
    sizeBytes: 8 * GB,
    shared: false,
    inUse: false,
    usageCount: 1,
    createdAt: OLD,
    lastUsedAt,
  })),
};

interface Rule {
  readonly class: string;
  readonly olderThan?: string | undefined;
  readonly keepBytes?: number | undefined;
  readonly protected?: string[] | undefined;
}

/** What a policy does to the probe, told as rules. */
function rulesOf(policy: CleanupPolicy): Rule[] {
  const { items, kept } = planCleanup(PROBE, policy, NOW);
  return [...new Set(items.map((item) => item.class))].map((name): Rule => {
    const going = items.filter((item) => item.class === name);
    const staying = kept.filter((item) => item.class === name);
    const isByAge = staying.some(({ reason }) => reason === "not older than 72h");
    const shielded = staying.filter(({ reason }) => reason.endsWith("protects it"));
    const left = PROBE.buildCache.length - going.length;
    return {
      class: name,
      ...(isByAge ? { olderThan: "72h" } : {}),
      // The sizes of the probe are too coarse to tell the limit, so it must only be kept to.
      ...(name === "build_cache" && left * 8 * GB <= (policy.buildCacheKeepBytes ?? 0)
        ? { keepBytes: policy.buildCacheKeepBytes }
        : {}),
      ...(shielded.length > 0 ? { protected: shielded.map((item) => item.name) } : {}),
    };
  });
}

function policyOf(input: string | Readonly<Record<string, unknown>>): CleanupPolicy {
  if (typeof input === "string") return NO_CLEANUP;
  const keep = input["build_cache.keep_storage"];
  if (typeof keep === "string") {
    return { ...NO_CLEANUP, buildCacheKeepBytes: parseByteSize(keep) };
  }
  const refs = input["defaults+protect.refs"];
  return parseCleanupSettings({ protect: { images: { refs } } }).policy;
}

/** An engine that has the images of the vector and fails where it says so. */
function fakeEngine(failing: readonly string[]): {
  readonly engine: DockerEngine;
  readonly removed: string[];
} {
  const removed: string[] = [];
  const images = {
    inspect: (id: string) => Promise.resolve({ id, tags: tagsOf(id), digests: [] }),
    remove: (name: string) => {
      const id = name.replace(/^.*\//, "").replace(/:.*$/, "");
      if (failing.includes(id)) return Promise.reject(new Error("no space left on device"));
      removed.push(id);
      return Promise.resolve(true);
    },
    tag: () => Promise.resolve(),
  };
  const containers = { list: () => Promise.resolve([]) };
  return { engine: { images, containers } as unknown as DockerEngine, removed };
}

const tagsOf = (id: string): string[] => [id === "aaa" ? "prod/aaa:1" : `${id}:1`];

async function execute(input: Readonly<Record<string, unknown>>): Promise<unknown> {
  const images = ["aaa", "bbb"].map((id) => image(id, tagsOf(id), OLD));
  const refs = input["protect.refs"];
  const policy: CleanupPolicy = {
    ...NO_CLEANUP,
    unreferencedOlderThanMs: parseDuration("72h"),
    protectedRefs: z.array(z.string()).default([]).parse(refs),
  };
  const plan = planCleanup({ ...PROBE, images, containers: [] }, policy, NOW);
  const { engine, removed } = fakeEngine(input["fake"] === "first fails" ? ["aaa"] : []);
  const { outcomes, failed } = await applyCleanup(plan, engine, {
    enforcement: z
      .enum(["best_effort", "required"])
      .default("best_effort")
      .parse(input["enforcement"]),
  });
  return "commands" in input
    ? { failCount: failed, ran: outcomes.length }
    : { removed, kept: plan.kept.map(({ id }) => id), failCount: failed };
}

describe("vectors", () => {
  it.each(VECTORS)("$fn: $input", async ({ fn, input, expected }) => {
    switch (fn) {
      case "BuildCleanupCommands":
        expect(rulesOf(policyOf(input))).toEqual(expected);
        break;
      case "executeCleanup":
        expect(await execute(input as Readonly<Record<string, unknown>>)).toEqual(expected);
        break;
      default:
        throw new Error(`no test for ${fn}`);
    }
  });
});
