import type { OwnedResource } from "@molecule-ai/provisioner-core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ORPHAN_GRACE_MS, planOrphans, type OrphanFacts, type Owner } from "./plan-orphans.js";

const NOW = 1_000_000_000;
const OLD = NOW - ORPHAN_GRACE_MS;

function workspace(id: string, more: Partial<OwnedResource> = {}): OwnedResource {
  return {
    kind: "workspace",
    name: `ws-${id}`,
    workspaceId: id,
    createdAt: OLD,
    running: true,
    ...more,
  };
}
function volume(id: string, more: Partial<OwnedResource> = {}): OwnedResource {
  return { ...workspace(id), kind: "volume", name: `ws-${id}-configs`, running: false, ...more };
}

function facts(owners: Record<string, Owner>, more: Partial<OrphanFacts> = {}): OrphanFacts {
  return {
    now: NOW,
    databaseCreatedAt: 0,
    knownWorkspaces: 3,
    ownerOf: (id) => owners[id] ?? { kind: "unknown" },
    ...more,
  };
}

const removedHere: Owner = { kind: "removed", keepsVolumes: false, isBusy: false };

function namesToRemove(resources: readonly OwnedResource[], known: OrphanFacts): string[] {
  return planOrphans(resources, known).remove.map(({ name }) => name);
}

describe("planOrphans", () => {
  it("removes container and storage of a workspace that was deleted here, container first", () => {
    expect(namesToRemove([volume("a"), workspace("a")], facts({ a: removedHere }))).toEqual([
      "ws-a",
      "ws-a-configs",
    ]);
  });

  it("leaves what a workspace wants", () => {
    const known = facts({ a: { kind: "wanted" } });
    expect(namesToRemove([workspace("a"), volume("a")], known)).toEqual([]);
  });

  it("keeps storage that was asked to be kept", () => {
    const known = facts({ a: { ...removedHere, keepsVolumes: true } });
    expect(namesToRemove([workspace("a"), volume("a")], known)).toEqual(["ws-a"]);
  });

  it("leaves a workspace whose removal is under way to that removal", () => {
    const known = facts({ a: { ...removedHere, isBusy: true } });
    expect(namesToRemove([workspace("a"), volume("a")], known)).toEqual([]);
  });

  it("removes containers that no row is known of, never their storage", () => {
    expect(namesToRemove([workspace("x"), volume("x")], facts({}))).toEqual(["ws-x"]);
  });

  it("removes the container that a workspace left when it moved, never its storage", () => {
    const known = facts({ a: { kind: "moved" } });
    expect(namesToRemove([workspace("a"), volume("a")], known)).toEqual(["ws-a"]);
  });

  it("leaves what is younger than the grace period", () => {
    const young = workspace("x", { createdAt: OLD + 1 });
    expect(namesToRemove([young], facts({}))).toEqual([]);
    expect(namesToRemove([workspace("x")], facts({}))).toEqual(["ws-x"]);
  });

  it("keeps the storage of a container that stays", () => {
    const young = workspace("a", { createdAt: OLD + 1 });
    const { keep } = planOrphans([young, volume("a")], facts({ a: removedHere }));
    expect(keep.map(({ reason }) => reason)).toEqual([
      "it is younger than the grace period",
      "its workspace stays",
    ]);
  });

  it("never removes networks: a workspace to come would miss its own", () => {
    const network = workspace("a", { kind: "network", name: "net", workspaceId: undefined });
    expect(namesToRemove([network], facts({}))).toEqual([]);
  });

  it("removes nothing when the database knows no workspace, is younger, or doubt is left", () => {
    const owner = fc.constantFrom<Owner>({ kind: "unknown" }, removedHere, { kind: "moved" });
    const resource = fc.constantFrom<OwnedResource>(workspace("a"), volume("a"));
    const doubt = fc.constantFrom<[Partial<OwnedResource>, Partial<OrphanFacts>]>(
      [{}, { knownWorkspaces: 0 }],
      [{}, { databaseCreatedAt: OLD + 1 }],
      [{ createdAt: undefined }, {}],
      [{ workspaceId: undefined }, {}],
    );
    fc.assert(
      fc.property(owner, resource, doubt, (a, found, [oddResource, oddFacts]) => {
        const known = facts({ a }, oddFacts);
        expect(planOrphans([{ ...found, ...oddResource }], known).remove).toEqual([]);
      }),
    );
  });

  it("says of every resource either that it goes or why it stays", () => {
    const owner = fc.constantFrom<Owner>(
      { kind: "unknown" },
      { kind: "wanted" },
      { kind: "moved" },
      removedHere,
      { ...removedHere, keepsVolumes: true },
      { ...removedHere, isBusy: true },
    );
    const resource = fc.record({
      kind: fc.constantFrom("workspace" as const, "volume" as const, "network" as const),
      name: fc.string(),
      workspaceId: fc.option(fc.constantFrom("a", "b"), { nil: undefined }),
      createdAt: fc.option(fc.integer({ min: OLD - 5, max: NOW }), { nil: undefined }),
      running: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(resource), owner, owner, (resources, a, b) => {
        const plan = planOrphans(resources, facts({ a, b }));
        expect(plan.remove.length + plan.keep.length).toBe(resources.length);
        for (const gone of plan.remove) {
          const fate = gone.workspaceId === "a" ? a : b;
          expect(fate.kind).not.toBe("wanted");
          if (gone.kind === "volume") expect(fate).toEqual(removedHere);
        }
      }),
    );
  });
});
