import fc from "fast-check";
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { mergePublished } from "./merge-published.js";
import { readPublishManifest, writePublishManifest } from "./publish-manifest-file.js";
import { formatPublishManifest, parsePublishManifest } from "./publish-manifest.js";
import type { PublishedImage } from "./published.js";

const TIMESTAMP = "2026-01-01T00:00:00Z";
const text = fc.string({
  unit: fc.constantFrom("a", "<", "&", "é", "\u2028", '"', "\\", "1"),
  maxLength: 8,
});
const word = fc.stringMatching(/^[a-z][a-z0-9]{0,5}$/);
const digest = fc.stringMatching(/^[0-9a-f]{64}$/).map((hex) => `sha256:${hex}`);
const image = fc
  .record<PublishedImage>(
    {
      host: word.map((name) => `${name}.io`),
      path: word,
      tag: word,
      provider: text,
      ref: fc.constant(""),
      digest,
      credentialRef: text,
      buildInstance: fc.record({ commit: text, jobId: text }, { requiredKeys: [] }),
      observedBy: text,
      expectedTags: fc.array(text),
      signingAttempted: fc.boolean(),
      attestation: fc.record({
        type: fc.constantFrom("cosign" as const, "slsa" as const),
        signatureRef: text,
        attestationRef: text,
        signerIdentity: text,
        verifiedDigest: text,
      }),
    },
    { requiredKeys: ["host", "path", "tag", "provider", "ref", "buildInstance"] },
  )
  .map((made) => ({ ...made, ref: `${made.host}/${made.path}:${made.tag}` }));
const images = fc.uniqueArray(image, { selector: ({ ref }) => ref, maxLength: 5 });

describe("a publish manifest", () => {
  it("is read as it was written", () => {
    fc.assert(
      fc.property(
        images,
        fc.array(fc.jsonValue() as fc.Arbitrary<string>),
        (published, binaries) => {
          const written = formatPublishManifest({ published, binaries, timestamp: TIMESTAMP });
          const read = parsePublishManifest(written);
          expect(JSON.parse(JSON.stringify(read.published))).toEqual(
            JSON.parse(JSON.stringify(mergePublished(published))),
          );
          // Written again it is the same, byte for byte.
          expect(formatPublishManifest(read)).toBe(written);
        },
      ),
    );
  });

  it("is not read when a byte of its content was changed", () => {
    const published = [
      { host: "r.io", path: "a", tag: "1", provider: "", ref: "", buildInstance: {} },
    ];
    const written = formatPublishManifest({ published, timestamp: TIMESTAMP });
    for (const changed of [
      written.replace('"tag": "1"', '"tag": "2"'),
      written.replace(/"checksum": "./, '"checksum": "g'),
      written.replace(/,\s*"checksum": "[^"]*"/, ""),
      `${written}x`,
    ]) {
      expect(() => parsePublishManifest(changed)).toThrow(
        expect.objectContaining({ code: "ERR_PUBLISH_RECORD" }),
      );
    }
  });

  it("is nothing else than that", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.jsonValue().map((value) => JSON.stringify(value)),
        ),
        (junk) => {
          expect(() => parsePublishManifest(junk)).toThrow(
            expect.objectContaining({ code: "ERR_PUBLISH_RECORD" }),
          );
        },
      ),
    );
  });

  it("takes what was said of a tag before into account", () => {
    const base = { host: "r.io", path: "a", tag: "1", provider: "harbor", ref: "" };
    const merged = mergePublished([
      { ...base, digest: "sha256:aa", buildInstance: { commit: "c" } },
      { ...base, host: "https://R.io", provider: "", buildInstance: { jobId: "7" } },
    ]);
    expect(merged).toEqual([
      {
        ...base,
        ref: "r.io/a:1",
        digest: "sha256:aa",
        buildInstance: { commit: "c", jobId: "7" },
      },
    ]);
  });
});

describe("the file of a publish manifest", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-publish-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true });
  });
  const record = (tag: string) => ({
    host: "r.io",
    path: "a",
    tag,
    provider: "",
    ref: "",
    buildInstance: {},
  });

  it("is absent, or whole, and can be added to", async () => {
    const path = join(directory, "state", "publish.json");
    expect(await readPublishManifest(path)).toBeUndefined();
    await writePublishManifest(path, { published: [record("2")], binaries: [{ name: "x" }] });
    await writePublishManifest(path, { published: [record("1")] }, { merge: true });
    const read = await readPublishManifest(path);
    expect(read?.published.map(({ tag }) => tag)).toEqual(["1", "2"]);
    expect(read?.binaries).toEqual([{ name: "x" }]);
    expect(read?.timestamp).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(await readdir(join(directory, "state"))).toEqual(["publish.json"]);
  });

  it("leaves nothing behind when it cannot be written", async () => {
    await writeFile(join(directory, "file"), "");
    await expect(
      writePublishManifest(join(directory, "file", "publish.json"), { published: [] }),
    ).rejects.toMatchObject({ code: "ERR_PUBLISH_RECORD" });
    expect(await readdir(directory)).toEqual(["file"]);
  });

  it("has its checksum beside it when it is old", async () => {
    const path = join(directory, "publish.json");
    const old = JSON.stringify({
      published: [{ ...record("1"), build_instance: {} }],
      timestamp: TIMESTAMP,
    });
    await writeFile(path, old);
    await expect(readPublishManifest(path)).rejects.toMatchObject({ code: "ERR_PUBLISH_RECORD" });
    const sum = createHash("sha256").update(old).digest("hex");
    await writeFile(`${path}.sha256`, `${sum}  publish.json\n`);
    expect((await readPublishManifest(path))?.published).toHaveLength(1);
    await writeFile(path, `${await readFile(path, "utf8")} `);
    await expect(readPublishManifest(path)).rejects.toMatchObject({ code: "ERR_PUBLISH_RECORD" });
  });
});
