import { createRegistryClient, type RegistryClient } from "@molecule-ai/registry-client";
import { findTestRegistry, startTestRegistry, type TestRegistry } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildCacheTag, cacheTagScope, formatCacheTag } from "../src/cache/cache-tag.js";
import { listRegistryCaches } from "../src/cache/registry-cache.js";
import {
  enforceRegistryRetention,
  type RegistryRetentionResult,
} from "../src/cache/registry-retention.js";
import { pushCache } from "./fixtures/registry-cache.js";
import { startRegistryProxy } from "./fixtures/registry-proxy.js";

const found = await findTestRegistry();
const DAY = 86_400_000;
const signal = new AbortController().signal;

const tagOf = (branch: string, repositoryId = "org/app"): string =>
  formatCacheTag(buildCacheTag({ prefix: "", repositoryId, branch }));
const scope = cacheTagScope(buildCacheTag({ prefix: "", repositoryId: "org/app", branch: "" }));
const daysAgo = (days: number): Date => new Date(Date.now() - days * DAY);

describe.skipIf(found.skip !== undefined)(`caches in a registry ${found.skip ?? ""}`, () => {
  let registry: TestRegistry;
  let client: RegistryClient;
  beforeAll(async () => {
    registry = await startTestRegistry();
    client = createRegistryClient();
  });
  afterAll(async () => {
    await client?.[Symbol.asyncDispose]();
    await registry?.[Symbol.asyncDispose]();
  });

  const enforce = (
    repository: string,
    rule: { staleDays?: number; maxRefs?: number; dryRun?: boolean; unknownAge?: "stale" } = {},
  ): Promise<RegistryRetentionResult> =>
    enforceRegistryRetention({
      client,
      repository,
      scope,
      staleAgeMs: (rule.staleDays ?? 0) * DAY,
      maxRefs: rule.maxRefs ?? 0,
      unknownAge: rule.unknownAge,
      dryRun: rule.dryRun,
      signal,
    });

  const tagsOf = async (repository: string): Promise<readonly string[]> => {
    const tags: string[] = [];
    for await (const tag of client.tags(repository)) tags.push(tag);
    return tags.sort();
  };

  test("the old go, then the oldest beyond the count; other tags and repositories stay", async () => {
    const repository = `${registry.host}/rules`;
    for (const [branch, days] of [
      ["a", 30],
      ["b", 10],
      ["c", 5],
      ["d", 1],
    ] as const) {
      await pushCache(client, repository, { tags: [tagOf(branch)], at: daysAgo(days) });
    }
    const others = ["latest", tagOf("a", "org/other"), `${scope}-no-hash-suffix`];
    for (const tag of others) await pushCache(client, repository, { tags: [tag], at: daysAgo(99) });

    const dry = await enforce(repository, { staleDays: 14, maxRefs: 2, dryRun: true });
    expect(await tagsOf(repository)).toHaveLength(7);
    const result = await enforce(repository, { staleDays: 14, maxRefs: 2 });
    expect(result).toEqual(dry);
    expect(result.removed.map(({ tag, reason }) => [tag, reason])).toEqual([
      [tagOf("a"), "stale"],
      [tagOf("b"), "count"],
    ]);
    expect(result).toMatchObject({ total: 4, errors: [] });
    expect(await tagsOf(repository)).toEqual([...others, tagOf("c"), tagOf("d")].sort());
  });

  test("a cache that another tag also has stays with it", async () => {
    const repository = `${registry.host}/shared`;
    await pushCache(client, repository, { tags: [tagOf("old"), "release"], at: daysAgo(30) });
    await pushCache(client, repository, { tags: [tagOf("x"), tagOf("y")], at: daysAgo(20) });
    const result = await enforce(repository, { staleDays: 14 });
    expect(result.removed.map(({ tag }) => tag).sort()).toEqual([tagOf("x"), tagOf("y")].sort());
    expect(result.kept).toEqual([
      expect.objectContaining({ tag: tagOf("old"), reason: "release is the same manifest" }),
    ]);
    expect(await tagsOf(repository)).toEqual([tagOf("old"), "release"].sort());
  });

  test("a cache of unknown age is never too old, unless told so", async () => {
    const repository = `${registry.host}/unknown`;
    await pushCache(client, repository, { tags: [tagOf("none")], at: undefined });
    await pushCache(client, repository, { tags: [tagOf("zero")], at: "0001-01-01T00:00:00Z" });
    await pushCache(client, repository, { tags: [tagOf("junk")], at: "yesterday" });
    await pushCache(client, repository, { tags: [tagOf("young")], at: daysAgo(1) });
    const kept = await enforce(repository, { staleDays: 14, maxRefs: 1 });
    expect(kept.removed).toEqual([]);
    expect(kept.kept.filter(({ createdAt }) => createdAt === undefined)).toHaveLength(3);
    const told = await enforce(repository, { staleDays: 14, unknownAge: "stale" });
    expect(told.removed).toHaveLength(3);
    expect(await tagsOf(repository)).toEqual([tagOf("young")]);
  });

  test("a repository without caches, or that is not there, is nothing to do", async () => {
    expect(await enforce(`${registry.host}/absent`, { staleDays: 1, maxRefs: 1 })).toMatchObject({
      total: 0,
      removed: [],
      errors: [],
    });
  });

  test("a manifest that a registry will not delete is an error of that tag, and the others go", async () => {
    const repository = "refuses";
    const digest = await pushCache(client, `${registry.host}/${repository}`, {
      tags: [tagOf("kept")],
      at: daysAgo(40),
    });
    await pushCache(client, `${registry.host}/${repository}`, {
      tags: [tagOf("gone")],
      at: daysAgo(30),
    });
    await using proxy = await startRegistryProxy(registry.url, (method, path) =>
      method === "DELETE" && path.includes(digest) ? 405 : undefined,
    );
    const result = await enforce(`${proxy.host}/${repository}`, { staleDays: 14 });
    expect(result.errors).toEqual([
      { tag: tagOf("kept"), error: expect.objectContaining({ code: "ERR_REGISTRY_UNSUPPORTED" }) },
    ]);
    expect(result.removed.map(({ tag }) => tag)).toEqual([tagOf("gone")]);
    expect(result.kept).toEqual([]);
  });

  test("while one tag cannot be looked at, nothing is removed: it may be the same manifest", async () => {
    const repository = "doubt";
    await pushCache(client, `${registry.host}/${repository}`, {
      tags: [tagOf("old"), "release"],
      at: daysAgo(40),
    });
    await using proxy = await startRegistryProxy(registry.url, (_, path) =>
      path.endsWith("/manifests/release") ? 403 : undefined,
    );
    const result = await enforce(`${proxy.host}/${repository}`, { staleDays: 14 });
    expect(result.removed).toEqual([]);
    expect(result.errors).toEqual([expect.objectContaining({ tag: "release" })]);
    expect(await tagsOf(`${registry.host}/${repository}`)).toHaveLength(2);
  });

  test("every cache of a repository is listed with its age and size", async () => {
    const repository = `${registry.host}/listed`;
    await pushCache(client, repository, { tags: [tagOf("a")], at: daysAgo(2) });
    await pushCache(client, repository, { tags: [tagOf("b", "org/other")], at: daysAgo(1) });
    await pushCache(client, repository, { tags: ["latest"], at: daysAgo(1) });
    const { entries } = await listRegistryCaches({ client, repository, scope: undefined, signal });
    expect(entries.map(({ tag }) => tag)).toEqual([tagOf("a"), tagOf("b", "org/other")]);
    expect(entries[0]?.scope).toBe(scope);
    expect(entries[1]?.scope).not.toBe(scope);
    expect(entries[0]?.sizeBytes).toBeGreaterThan(100);
  });

  test("an abort ends it with its own reason", async () => {
    const stopped = AbortSignal.abort(new Error("stop"));
    await expect(
      enforceRegistryRetention({
        client,
        repository: `${registry.host}/rules`,
        scope,
        staleAgeMs: 1,
        maxRefs: 0,
        signal: stopped,
      }),
    ).rejects.toThrow("stop");
  });
});
