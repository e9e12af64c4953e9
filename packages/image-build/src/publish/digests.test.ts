import type { ImageInfo } from "@molecule-ai/docker-engine";
import { RegistryError } from "@molecule-ai/registry-client";
import { describe, expect, it } from "vitest";
import { resolvePublishedDigest, type PublishedDigestOptions } from "./digests.js";

const ONE = `sha256:${"1".repeat(64)}`;
const TWO = `sha256:${"2".repeat(64)}`;
const tag = "r.io/a:1";

const has = (...digests: (string | undefined | Error)[]) => {
  let asked = 0;
  return {
    resolve: () => {
      const next = digests[Math.min(asked, digests.length - 1)];
      asked += 1;
      if (next instanceof Error) return Promise.reject(next);
      return Promise.resolve(
        next === undefined ? undefined : { digest: next, mediaType: "", sizeBytes: 1 },
      );
    },
  };
};
const knows = (id: string, ...digests: string[]) => ({
  images: { inspect: () => Promise.resolve({ id, digests } as unknown as ImageInfo) },
});
const unreachable = new RegistryError("ERR_REGISTRY_UNREACHABLE", "gone", { retryable: true });

const resolve = (options: Omit<PublishedDigestOptions, "tag" | "clock">) => {
  const waits: number[] = [];
  const clock = {
    now: () => 0,
    monotonic: () => 0,
    sleep: (ms: number, signal?: AbortSignal) => {
      waits.push(ms);
      signal?.throwIfAborted();
      return Promise.resolve();
    },
  };
  return resolvePublishedDigest({ ...options, tag, clock }).then((found) => ({ ...found, waits }));
};

describe("resolvePublishedDigest", () => {
  it("takes what all agree on", async () => {
    const found = await resolve({ metadata: { digest: ONE }, pushed: ONE, registry: has(ONE) });
    expect(found).toMatchObject({ digest: ONE, sources: ["metadata", "push", "registry"] });
  });

  it("refuses what they do not agree on", async () => {
    for (const options of [
      { metadata: { digest: ONE }, registry: has(TWO) },
      { pushed: ONE, registry: has(TWO) },
      { metadata: { digest: ONE }, pushed: TWO, registry: has(unreachable) },
    ]) {
      await expect(resolve(options)).rejects.toMatchObject({ code: "ERR_PUBLISH_DIGEST" });
    }
  });

  it("waits longer and longer for a tag that does not show yet, and not for ever", async () => {
    const late = await resolve({ registry: has(undefined, undefined, ONE) });
    expect(late).toMatchObject({ digest: ONE, waits: [500, 1000] });
    await expect(resolve({ pushed: ONE, registry: has(undefined) })).rejects.toMatchObject({
      code: "ERR_PUBLISH_DIGEST",
    });
  });

  it("does not take the id of an image for its digest", async () => {
    const engine = knows(TWO, `r.io/a@${ONE}`);
    const byId = await resolve({ metadata: { digest: TWO }, engine, registry: has(ONE) });
    expect(byId).toMatchObject({ digest: ONE, sources: ["registry"] });
    const byConfig = await resolve({
      metadata: { digest: TWO, configDigest: TWO },
      registry: has(ONE),
    });
    expect(byConfig.digest).toBe(ONE);
    // A store that names images by their manifests.
    const store = knows(ONE, `r.io/a@${ONE}`);
    const found = await resolve({ metadata: { digest: ONE }, engine: store, registry: has(ONE) });
    expect(found.sources).toEqual(["metadata", "registry"]);
  });

  it("asks the engine last, and says when nobody knows", async () => {
    const engine = knows(TWO, `r.io/a@${ONE}`);
    expect(await resolve({ engine, registry: has(unreachable), attempts: 1 })).toMatchObject({
      digest: ONE,
      sources: ["local"],
    });
    await expect(resolve({ registry: has(unreachable), attempts: 2 })).rejects.toMatchObject({
      code: "ERR_PUBLISH_DIGEST",
      cause: unreachable,
    });
  });

  it("ends with the caller's reason", async () => {
    const controller = new AbortController();
    const reason = new Error("enough");
    const registry = {
      resolve: () => {
        controller.abort(reason);
        return Promise.resolve(undefined);
      },
    };
    await expect(resolve({ registry, signal: controller.signal })).rejects.toBe(reason);
  });
});
