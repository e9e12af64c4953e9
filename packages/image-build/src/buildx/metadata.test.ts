import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseBuildxMetadata, parseMetadataDigest } from "./metadata.js";

const digest = `sha256:${"ab".repeat(32)}`;

describe("the metadata of a build", () => {
  it("is read whatever the order of its keys and with ones nobody knows", () => {
    const entries: [string, unknown][] = [
      ["image.name", "r.io/a:1, r.io/a:2,"],
      ["containerimage.digest", digest],
      ["containerimage.config.digest", digest],
      ["buildx.build.ref", "b/n/id"],
      ["buildx.build.provenance/linux/amd64", { buildType: "x" }],
      ["buildx.build.provenance/linux/arm64", "no object"],
      ["unknown", { deep: [1] }],
    ];
    const one = parseBuildxMetadata(JSON.stringify(Object.fromEntries(entries)));
    const other = parseBuildxMetadata(JSON.stringify(Object.fromEntries(entries.reverse())));
    expect(one).toEqual(other);
    expect(one).toEqual({
      digest,
      configDigest: digest,
      imageNames: ["r.io/a:1", "r.io/a:2"],
      buildRef: "b/n/id",
      provenance: new Map([["linux/amd64", { buildType: "x" }]]),
    });
  });

  it.each([
    ["text", "nope"],
    ["a list", "[]"],
    ["nothing", "null"],
    ["a digest that is none", '{"containerimage.digest":"sha256:x;rm"}'],
    ["a digest of another kind", '{"containerimage.digest":7}'],
    ["a name that is none", '{"image.name":["a"]}'],
  ])("is refused when it is %s", (_, text) => {
    expect(() => parseBuildxMetadata(text)).toThrow(
      expect.objectContaining({ code: "ERR_BUILDX_FAILED" }) as Error,
    );
  });

  it("does not reach into what every object has", () => {
    const found = parseBuildxMetadata('{"__proto__":{"image.name":"evil"},"constructor":1}');
    expect(found.imageNames).toEqual([]);
    expect(found.digest).toBeUndefined();
  });

  it("is refused without a digest where one is needed", () => {
    expect(() => parseMetadataDigest("{}")).toThrow("no digest in metadata file");
    expect(parseMetadataDigest(JSON.stringify({ "containerimage.digest": digest }))).toBe(digest);
  });

  it("throws nothing but its own error, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        try {
          parseBuildxMetadata(text);
        } catch (error) {
          expect(error).toMatchObject({ code: "ERR_BUILDX_FAILED" });
        }
      }),
    );
  });
});
