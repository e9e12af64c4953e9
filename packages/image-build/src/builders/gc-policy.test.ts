import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ImageBuildError } from "../errors.js";
import { parseBuilderConfig, renderBuilderConfig, type BuilderConfig } from "./gc-policy.js";

const CONFIG: BuilderConfig = {
  gc: [
    {
      filters: ["type==source.local", "type==exec.cachemount"],
      keepDurationMs: 48 * 3_600_000,
      maxUsed: 512_000_000,
    },
    { all: true, reserved: "10%", maxUsed: 20 * 1024 ** 3, minFree: "20%" },
  ],
  registries: {
    "docker.io": { mirrors: ["mirror.example.com"] },
    "10.0.0.1:5000": { http: true, insecure: true },
  },
  maxParallelism: 4,
};

describe("the configuration of a builder", () => {
  test("is written as BuildKit reads it", () => {
    expect(renderBuilderConfig(CONFIG)).toBe(
      `[worker.oci]
gc = true
max-parallelism = 4

[[worker.oci.gcpolicy]]
filters = [ "type==source.local", "type==exec.cachemount" ]
keepDuration = 172800
maxUsedSpace = 512000000

[[worker.oci.gcpolicy]]
all = true
reservedSpace = "10%"
maxUsedSpace = 21474836480
minFreeSpace = "20%"

[registry."10.0.0.1:5000"]
http = true
insecure = true

[registry."docker.io"]
mirrors = [ "mirror.example.com" ]
`,
    );
  });

  test("for BuildKit before 0.17 has the one limit that it knows", () => {
    expect(renderBuilderConfig({ gc: CONFIG.gc }, { legacy: true })).toBe(
      `[worker.oci]
gc = true

[[worker.oci.gcpolicy]]
filters = [ "type==source.local", "type==exec.cachemount" ]
keepDuration = 172800
keepBytes = 512000000

[[worker.oci.gcpolicy]]
all = true
keepBytes = 21474836480
`,
    );
  });

  test("can switch the collection off, or say nothing at all", () => {
    expect(renderBuilderConfig({ gc: false })).toBe("[worker.oci]\ngc = false\n");
    expect(renderBuilderConfig({})).toBe("");
    expect(parseBuilderConfig("")).toEqual({});
    expect(parseBuilderConfig("[worker.oci]\ngc = false\n")).toEqual({ gc: false });
  });

  test("is read from files that people wrote, with units and settings that are not ours", () => {
    expect(
      parseBuilderConfig(`debug = true
[worker.oci]
  gckeepstorage = 9000
  [[worker.oci.gcpolicy]]
    keepBytes = "512MB"
    keepDuration = "48h"
  [[worker.oci.gcpolicy]]
    all = true
    keepBytes = 1024000000
    keepDuration = "172800"
[registry."r"]
  ca = ["/etc/config/ca.pem"]
  keypair = []
`),
    ).toEqual({
      gc: [
        { reserved: 512 * 1024 ** 2, keepDurationMs: 172_800_000 },
        { all: true, reserved: 1_024_000_000, keepDurationMs: 172_800_000 },
      ],
      registries: { r: { caFiles: ["/etc/config/ca.pem"] } },
    });
  });

  test.each<[string, unknown]>([
    ["a negative size", { gc: [{ maxUsed: -1 }] }],
    ["a share without a number", { gc: [{ maxUsed: "much%" }] }],
    ["an unknown setting", { gc: [{ max: 1 }] }],
    ["a mirror without a name", { registries: { r: { mirrors: [""] } } }],
  ])("is refused with %s", (_, config) => {
    expect(() => renderBuilderConfig(config as BuilderConfig)).toThrow(
      expect.objectContaining({ code: "ERR_BUILDER" }),
    );
  });

  test("is the same after writing and reading", () => {
    const space = fc.oneof(
      fc.integer({ min: 0, max: 2 ** 50 }),
      fc.integer({ min: 0, max: 100 }).map((share) => `${share}%` as const),
    );
    const rule = fc.record(
      {
        all: fc.boolean(),
        filters: fc.array(fc.string({ minLength: 1 })),
        keepDurationMs: fc.integer({ min: 0, max: 1e9 }).map((seconds) => seconds * 1000),
        reserved: space,
        maxUsed: space,
        minFree: space,
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(rule, { minLength: 1 }), (gc) => {
        expect(parseBuilderConfig(renderBuilderConfig({ gc }))).toEqual({ gc });
      }),
    );
  });

  test("may be any text: only our error", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.constant("[worker]\noci = 1")), (text) => {
        try {
          parseBuilderConfig(text);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageBuildError);
        }
      }),
    );
  });
});
