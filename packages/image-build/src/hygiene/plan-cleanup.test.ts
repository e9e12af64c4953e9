import type { BuildCacheRecord } from "@molecule-ai/docker-engine";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { NO_CLEANUP, type CleanupPolicy } from "./cleanup-policy.js";
import type {
  CleanupInventory,
  InventoryContainer,
  InventoryImage,
  InventoryNetwork,
} from "./inventory.js";
import { planCleanup } from "./plan-cleanup.js";

const HOUR = 3_600_000;
const NOW = 1000 * HOUR;
const EVERYTHING: CleanupPolicy = {
  ...NO_CLEANUP,
  danglingOlderThanMs: 72 * HOUR,
  unreferencedOlderThanMs: 72 * HOUR,
  buildCacheOlderThanMs: 72 * HOUR,
  exitedOlderThanMs: 72 * HOUR,
  unusedNetworks: true,
};

const image = (id: string, more: Partial<InventoryImage> = {}): InventoryImage => ({
  id: `sha256:${id}`,
  tags: [`team/${id}:1`],
  digests: [],
  labels: {},
  sizeBytes: 100,
  newestAt: NOW - 100 * HOUR,
  ...more,
});
const container = (name: string, more: Partial<InventoryContainer> = {}): InventoryContainer => ({
  id: `id-${name}`,
  name,
  imageId: "sha256:other",
  imageRef: "other:1",
  labels: {},
  status: "exited",
  endedAt: NOW - 100 * HOUR,
  namedVolumes: [],
  networks: ["bridge"],
  ...more,
});
const network = (name: string, more: Partial<InventoryNetwork> = {}): InventoryNetwork => ({
  id: `id-${name}`,
  name,
  driver: "bridge",
  labels: {},
  createdAt: NOW - 100 * HOUR,
  ...more,
});
const record = (id: string, more: Partial<BuildCacheRecord> = {}): BuildCacheRecord => ({
  id,
  parents: [],
  type: "regular",
  description: `RUN ${id}`,
  sizeBytes: 10,
  shared: false,
  inUse: false,
  usageCount: 1,
  createdAt: NOW - 200 * HOUR,
  lastUsedAt: NOW - 100 * HOUR,
  ...more,
});
const inventory = (parts: Partial<CleanupInventory>): CleanupInventory => ({
  images: [],
  containers: [],
  networks: [],
  buildCache: [],
  ...parts,
});
/** Names that would go, and why the others stay. */
function plan(parts: Partial<CleanupInventory>, policy: Partial<CleanupPolicy> = {}) {
  const { items, kept } = planCleanup(inventory(parts), { ...EVERYTHING, ...policy }, NOW);
  return {
    go: items.map(({ name }) => name),
    stay: Object.fromEntries(kept.map(({ name, reason }) => [name, reason])),
  };
}

describe("images", () => {
  it("go when they are old, whether they have a name, a digest or neither", () => {
    const images = [
      image("named"),
      image("digest", { tags: [], digests: ["team/digest@sha256:1"] }),
      image("0123456789abcdef", { tags: [] }),
      image("young", { newestAt: NOW - 72 * HOUR }),
    ];
    const { items, bytes } = planCleanup(inventory({ images }), EVERYTHING, NOW);
    expect(items.map((item) => [item.class, item.name, item.names])).toEqual([
      ["images.dangling", "sha256:0123456789ab", []],
      ["images.unreferenced", "team/named:1", ["team/named:1"]],
      ["images.unreferenced", "team/digest@sha256:1", ["team/digest@sha256:1"]],
    ]);
    expect(bytes).toBe(300);
    expect(plan({ images }).stay).toEqual({ "team/young:1": "not older than 72h" });
  });

  it("stay under all their names when one of them is protected", () => {
    const images = [image("a", { tags: ["junk:1", "prod/app:7"] }), image("b")];
    expect(plan({ images }, { protectedRefs: ["prod/*"] })).toEqual({
      go: ["team/b:1"],
      stay: { "junk:1": "prod/* protects it" },
    });
  });

  it("stay while a container, also a stopped one, uses them by id or by name", () => {
    const images = [image("a"), image("b"), image("c")];
    const containers = [
      container("one", { imageId: "sha256:a", endedAt: NOW }),
      container("two", { imageRef: "team/b:1", status: "running" }),
    ];
    expect(plan({ images, containers })).toEqual({
      go: ["team/c:1"],
      stay: {
        "team/a:1": "the container one uses it",
        "team/b:1": "the container two uses it",
        one: "not older than 72h",
      },
    });
  });

  it("stay when a label protects them or an installation built them", () => {
    const images = [
      image("a", { labels: { keep: "yes" } }),
      image("b", { labels: { keep: "no" } }),
      image("c", { labels: { team: "" } }),
      image("d", { labels: { "molecule.image.install": "prod" } }),
    ];
    expect(plan({ images }, { protectedLabels: ["keep=yes", "team"] })).toEqual({
      go: ["team/b:1"],
      stay: {
        "team/a:1": "the label keep=yes protects it",
        "team/c:1": "the label team protects it",
        "team/d:1": "it belongs to the installation prod",
      },
    });
  });
});

describe("containers", () => {
  it("go when they ended or never ran long ago, and never while they run", () => {
    const containers = (
      ["exited", "dead", "created", "running", "paused", "restarting", "removing"] as const
    ).map((status) => container(status, { status }));
    expect(plan({ containers })).toEqual({ go: ["exited", "dead", "created"], stay: {} });
  });

  it("stay with their named volumes, unless that rule is off", () => {
    const containers = [container("db", { namedVolumes: ["data"] })];
    expect(plan({ containers }).stay).toEqual({ db: "it has the named volume data" });
    expect(plan({ containers }, { protectNamedVolumes: false }).go).toEqual(["db"]);
  });

  it("of an installation stay, whoever's it is", () => {
    const containers = [container("ws", { labels: { "molecule.platform.install": "x" } })];
    expect(plan({ containers }).stay).toEqual({ ws: "it belongs to the installation x" });
  });
});

describe("networks", () => {
  it("go when nothing is connected to them, stopped containers included", () => {
    const networks = [
      network("bridge"),
      network("host"),
      network("unused"),
      network("stopped"),
      network("by-id"),
      network("new", { createdAt: NOW - HOUR }),
      network("swarm", { driver: "overlay" }),
    ];
    const containers = [
      container("a", { networks: ["stopped"], endedAt: NOW }),
      container("b", { networks: ["id-by-id"], status: "running" }),
    ];
    const { go, stay } = plan({ networks, containers });
    expect(go).toEqual(["unused"]);
    expect(stay).toMatchObject({
      stopped: "the container a is connected to it",
      "by-id": "the container b is connected to it",
      new: "not older than 1h",
      swarm: "services of a swarm may use it",
    });
  });
});

describe("build cache", () => {
  it("goes with what is built on it first, and stays below what stays", () => {
    const buildCache = [
      record("base"),
      record("step", { parents: ["base"] }),
      record("leaf", { parents: ["step"] }),
      record("lower"),
      record("upper", { parents: ["lower"], lastUsedAt: NOW }),
      record("busy", { inUse: true }),
      record("image", { shared: true }),
      record("front", { type: "frontend" }),
    ];
    expect(plan({ buildCache })).toEqual({
      go: ["RUN leaf", "RUN step", "RUN base"],
      stay: {
        "RUN lower": "cache that stays is built on it",
        "RUN upper": "not older than 72h",
        "RUN busy": "a build uses it",
        "RUN image": "its bytes are also an image's",
        "RUN front": "BuildKit keeps it for itself",
      },
    });
  });

  it("is named by what made it, without what would move a cursor", () => {
    const buildCache = [
      record("a", { description: "RUN echo \u001b[2Jgone" }),
      record("b", { description: "\u0007" }),
      record("c", { description: "x".repeat(5000) }),
    ];
    const [first = "", second, third] = plan({ buildCache }).go;
    expect(first).not.toContain("\u001b");
    expect(second).toBe("b");
    expect(third).toHaveLength(200);
  });

  it("goes longest unused first until what is left is small enough, shared bytes not counted", () => {
    const buildCache = [
      record("new", { lastUsedAt: NOW - HOUR, sizeBytes: 50 }),
      record("old", { lastUsedAt: NOW - 3 * HOUR, sizeBytes: 50 }),
      record("middle", { lastUsedAt: NOW - 2 * HOUR, sizeBytes: 50 }),
      record("image", { shared: true, sizeBytes: 1000 }),
    ];
    const policy = { buildCacheOlderThanMs: undefined, buildCacheKeepBytes: 60 };
    expect(plan({ buildCache }, policy).go).toEqual(["RUN old", "RUN middle"]);
    expect(plan({ buildCache }, policy).stay["RUN new"]).toBe("it is within the 60 B to keep");
    expect(plan({ buildCache }, { ...policy, buildCacheKeepBytes: 150 }).go).toEqual([]);
    expect(plan({ buildCache }, { ...policy, buildCacheOlderThanMs: 2.5 * HOUR }).go).toEqual([
      "RUN old",
    ]);
  });
});

describe("a plan", () => {
  it("has nothing in it without rules, and only what carries the labels of a scope", () => {
    const everything = inventory({
      images: [image("a", { labels: { team: "x" } }), image("b")],
      containers: [container("c", { labels: { team: "x" } }), container("d")],
      networks: [network("e", { labels: { team: "x" } }), network("f")],
      buildCache: [record("g")],
    });
    expect(planCleanup(everything, NO_CLEANUP, NOW)).toMatchObject({ items: [], kept: [] });
    const scoped = planCleanup(everything, { ...EVERYTHING, scope: ["team=x"] }, NOW);
    expect(scoped.items.map(({ name }) => name)).toEqual(["team/a:1", "c", "e"]);
    expect(scoped.kept).toEqual([]);
  });

  it("never holds what is protected, used or young, and everything once", () => {
    const names = ["prod/a:1", "team/b:1", "c:1", "c:2"];
    const labels = fc.constantFrom<Record<string, string>>(
      {},
      { keep: "" },
      { "molecule.image.install": "x" },
    );
    const ids = fc.constantFrom("1", "2", "3", "4", "5", "6");
    const age = fc.integer({ min: 0, max: 144 }).map((hours) => NOW - hours * HOUR);
    const images = fc.uniqueArray(
      fc.record({
        id: ids,
        tags: fc.subarray(names),
        digests: fc.constant([]),
        labels,
        newestAt: age,
        sizeBytes: fc.nat(),
      }),
      { selector: ({ id }) => id },
    );
    const used = fc.array(ids);
    const buildCache = fc.uniqueArray(
      fc.record({
        id: ids,
        parents: fc.array(ids, { maxLength: 2 }),
        lastUsedAt: age,
        sizeBytes: fc.nat(100),
        inUse: fc.boolean(),
        shared: fc.boolean(),
      }),
      { selector: ({ id }) => id },
    );
    fc.assert(
      fc.property(images, used, buildCache, fc.nat(300), (some, users, cache, keepBytes) => {
        const found = inventory({
          images: some,
          containers: users.map((id, index) =>
            container(`u${index}`, { imageId: id, status: "running" }),
          ),
          buildCache: cache.map((entry) => record(entry.id, entry)),
        });
        const policy = {
          ...EVERYTHING,
          protectedRefs: ["prod/*"],
          protectedLabels: ["keep"],
          buildCacheKeepBytes: keepBytes,
        };
        const { items, kept, bytes } = planCleanup(found, policy, NOW);
        const all = [...items, ...kept].map((entry) => `${entry.class} ${entry.id}`);
        expect(new Set(all).size).toBe(all.length);
        expect(all).toHaveLength(some.length + cache.length);
        expect(bytes).toBe(items.reduce((sum, item) => sum + item.sizeBytes, 0));
        const gone = new Set<string>();
        for (const item of items) {
          if (item.class === "build_cache") {
            const entry = cache.find(({ id }) => id === item.id);
            expect(entry).toMatchObject({ inUse: false, shared: false });
            for (const child of cache.filter(({ parents }) =>
              parents.map(String).includes(item.id),
            )) {
              expect(gone.has(child.id)).toBe(true);
            }
            gone.add(item.id);
            continue;
          }
          const entry = some.find(({ id }) => id === item.id);
          expect(entry?.tags).not.toContain("prod/a:1");
          expect(entry?.labels).toEqual({});
          expect(users.map(String)).not.toContain(item.id);
          expect(NOW - (entry?.newestAt ?? NOW)).toBeGreaterThan(72 * HOUR);
        }
      }),
    );
  });
});
