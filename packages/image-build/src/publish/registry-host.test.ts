import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { detectProvider } from "./provider.js";
import { normalizeRegistryHost } from "./registry-host.js";
import { collectRemoteTags } from "./registry-target.js";

describe("normalizeRegistryHost", () => {
  it.each([
    ["https://GHCR.io/", "ghcr.io"],
    ["https://index.docker.io/v1/", "docker.io"],
    ["registry-1.docker.io", "docker.io"],
    [" http://x:5000// ", "x:5000"],
    ["https://user:secret@r.io", "r.io"],
    ["registry.gitlab.com/group", "registry.gitlab.com/group"],
    ["", ""],
  ])("%j is %j", (url, host) => {
    expect(normalizeRegistryHost(url)).toBe(host);
  });

  it("changes nothing the second time, and never fails", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.webUrl()), (url) => {
        const host = normalizeRegistryHost(url);
        fc.pre(!/^https?:\/\//.test(host) && !host.includes("@"));
        expect(normalizeRegistryHost(host)).toBe(host.trim());
      }),
    );
    const started = performance.now();
    for (const piece of ["/", "@", "a", "https://"]) normalizeRegistryHost(piece.repeat(500_000));
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});

describe("detectProvider", () => {
  it("does not take a host for one that contains its name", () => {
    expect(detectProvider("ghcr.io.evil.example")).toBe("generic");
    expect(detectProvider("notghcr.io")).toBe("generic");
    expect(detectProvider("evil.example/ghcr.io")).toBe("generic");
    expect(detectProvider("quay.io:443")).toBe("quay");
  });

  it("says something of every text, soon", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(detectProvider(text)).not.toBe("");
      }),
    );
    const started = performance.now();
    for (const piece of [".", "a.", "a", "1", ":1"]) detectProvider(piece.repeat(200_000));
    expect(performance.now() - started).toBeLessThan(15_000);
  });
});

it("makes valid references of addresses with a scheme, each once", () => {
  const target = { url: "https://R.io/", path: "a/b", tags: ["1", "1"] };
  expect(collectRemoteTags([{ load: true, push: false, registries: [target, target] }])).toEqual([
    "r.io/a/b:1",
  ]);
});
