import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseImageConfig } from "./image-config.js";
import { formatDescriptor, MEDIA_TYPES, parseManifest, type Descriptor } from "./manifest.js";

const DIGEST = `sha256:${"a".repeat(64)}`;
const descriptor = fc.record<Descriptor>(
  {
    mediaType: fc.constantFrom(MEDIA_TYPES.ociManifest, "application/octet-stream"),
    digest: fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`),
    sizeBytes: fc.nat(),
    artifactType: fc.constant("application/x"),
    annotations: fc.dictionary(fc.stringMatching(/^[a-z.]{1,9}$/), fc.string(), {
      noNullPrototype: true,
    }),
    urls: fc.array(fc.webUrl()),
    platform: fc.constantFrom(
      { os: "linux", arch: "arm", variant: "v7" },
      { os: "linux", arch: "amd64", variant: undefined },
    ),
  },
  { requiredKeys: ["mediaType", "digest", "sizeBytes"] },
);

describe("parseManifest", () => {
  it("reads back every descriptor", () => {
    fc.assert(
      fc.property(fc.array(descriptor), (manifests) => {
        const json: unknown = JSON.parse(
          JSON.stringify({ manifests: manifests.map(formatDescriptor) }),
        );
        expect(parseManifest(json)).toEqual({
          kind: "index",
          manifests,
          subject: undefined,
          artifactType: undefined,
          annotations: {},
        });
      }),
    );
  });

  it("takes the kind of an artifact from its configuration when it names none", () => {
    const config = { mediaType: "application/vnd.x", digest: DIGEST, size: 2 };
    expect(parseManifest({ config, layers: [] })).toMatchObject({
      kind: "image",
      artifactType: "application/vnd.x",
    });
    expect(parseManifest({ config, layers: [], artifactType: "a/b" })).toMatchObject({
      artifactType: "a/b",
    });
  });

  it("refuses what could be read as two things, schema 1, and digests that are none", () => {
    const config = { mediaType: "a/b", digest: DIGEST, size: 2 };
    expect(parseManifest({ config, layers: [], manifests: [] })).toBeUndefined();
    expect(parseManifest({ schemaVersion: 1, fsLayers: [], history: [] })).toBeUndefined();
    expect(parseManifest({ config: { ...config, digest: "../../x" }, layers: [] })).toBeUndefined();
    expect(parseManifest({ config: { ...config, size: -1 }, layers: [] })).toBeUndefined();
  });

  it("never fails", () => {
    fc.assert(fc.property(fc.jsonValue(), (json) => void parseManifest(json)));
  });
});

describe("parseImageConfig", () => {
  it("reads what Docker and BuildKit write", () => {
    expect(
      parseImageConfig({
        architecture: "arm64",
        os: "linux",
        variant: "v8",
        created: "2026-01-02T03:04:05.678901234Z",
        config: { Labels: { a: "b" }, Entrypoint: ["x"], Cmd: null, Env: ["A=1"], User: "1000" },
        rootfs: { type: "layers", diff_ids: [DIGEST] },
        history: [{ created_by: "COPY", empty_layer: true }],
      }),
    ).toEqual({
      os: "linux",
      arch: "arm64",
      variant: "v8",
      createdAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
      labels: { a: "b" },
      entrypoint: ["x"],
      cmd: [],
      env: ["A=1"],
      user: "1000",
      workingDir: "",
      diffIds: [DIGEST],
      history: [{ createdAt: undefined, createdBy: "COPY", comment: "", emptyLayer: true }],
    });
  });

  it("never fails", () => {
    fc.assert(fc.property(fc.jsonValue(), (json) => void parseImageConfig(json)));
    expect(parseImageConfig([])).toBeUndefined();
    expect(parseImageConfig({ os: 7 })).toBeUndefined();
  });
});
