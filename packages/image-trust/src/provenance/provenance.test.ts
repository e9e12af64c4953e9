import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { ProvenanceFacts } from "./build-facts.js";
import { createProvenanceStore } from "./provenance-store.js";
import { provenanceFault, readProvenance } from "./read-provenance.js";
import { SLSA_PREDICATE_TYPE, slsaStatement } from "./slsa-statement.js";
import { parseStatement } from "../verification/statement.js";

const DIGEST = `sha256:${"1".repeat(64)}`;
const facts: ProvenanceFacts = {
  subject: { names: ["hello:abc", "hello:latest"], digest: DIGEST },
  source: {
    repository: "https://git.example.com/you/hello",
    ref: "main",
    commit: "c".repeat(40),
    tree: "d".repeat(40),
  },
  bases: [{ reference: "debian:12", digest: `sha256:${"2".repeat(64)}` }],
  builder: { id: "install:x", versions: { engine: "20.10.24", "image-build": "0.1.0" } },
  dockerfile: {
    bases: ["debian:12"],
    findings: [{ rule: "unpinned-base", severity: "low", line: 1 }],
  },
  parameters: { runtime: "hello", dockerfile: "Dockerfile" },
  startedAt: 0,
  finishedAt: 1500,
  invocationId: "7",
};
const statement = slsaStatement(facts);

describe("slsaStatement", () => {
  it("says of every name what it is, from which commit, on which bases, by whom and when", () => {
    expect(statement).toEqual({
      _type: "https://in-toto.io/Statement/v1",
      subject: [
        { name: "hello:abc", digest: { sha256: "1".repeat(64) } },
        { name: "hello:latest", digest: { sha256: "1".repeat(64) } },
      ],
      predicateType: "https://slsa.dev/provenance/v1",
      predicate: {
        buildDefinition: {
          buildType: expect.stringContaining("docs/trust.md#"),
          externalParameters: {
            repository: "https://git.example.com/you/hello",
            ref: "main",
            dockerfile: "Dockerfile",
            runtime: "hello",
          },
          internalParameters: {
            tree: "d".repeat(40),
            dockerfile: {
              bases: ["debian:12"],
              findings: [{ rule: "unpinned-base", severity: "low", line: 1 }],
            },
          },
          resolvedDependencies: [
            {
              uri: `git+https://git.example.com/you/hello@${"c".repeat(40)}`,
              digest: { gitCommit: "c".repeat(40) },
            },
            { uri: "docker://debian:12", digest: { sha256: "2".repeat(64) } },
          ],
        },
        runDetails: {
          builder: { id: "install:x", version: { engine: "20.10.24", "image-build": "0.1.0" } },
          metadata: {
            invocationId: "7",
            startedOn: "1970-01-01T00:00:00.000Z",
            finishedOn: "1970-01-01T00:00:01.500Z",
          },
        },
      },
    });
  });

  it("is a statement that can be read again", () => {
    const read = parseStatement(Buffer.from(JSON.stringify(statement)));
    expect(read.subjects.map(({ digest }) => digest)).toEqual([DIGEST, DIGEST]);
    expect(readProvenance(read.predicateType, read.predicate)).toMatchObject({
      builder: "install:x",
      repository: "https://git.example.com/you/hello",
      commit: "c".repeat(40),
      dockerfile: facts.dockerfile,
      startedAt: "1970-01-01T00:00:00.000Z",
    });
  });
});

describe("provenance of others", () => {
  it("counts only from a trusted builder and source", () => {
    const read = parseStatement(Buffer.from(JSON.stringify(statement)));
    const provenance = readProvenance(read.predicateType, read.predicate);
    if (provenance === undefined) throw new Error("not read");
    const policy = { builders: ["install:x"], sources: ["https://git.example.com/you/*"] };
    expect(provenanceFault(provenance, policy)).toBeUndefined();
    expect(provenanceFault(provenance, { ...policy, builders: ["y"] })).toMatch(/install:x/);
    expect(provenanceFault(provenance, { ...policy, sources: ["https://other/*"] })).toMatch(
      /you\/hello/,
    );
    expect(provenanceFault(provenance, { builders: [], sources: [] })).toBeUndefined();
  });

  it("is read from anything without a throw", () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (predicate) => {
        readProvenance(SLSA_PREDICATE_TYPE, JSON.parse(JSON.stringify(predicate)));
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(() => parseStatement(bytes)).toThrow(
          expect.objectContaining({ code: "ERR_TRUST_MALFORMED" }),
        );
      }),
    );
  });
});

describe("createProvenanceStore", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-provenance-"));
  });
  afterEach(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  it("keeps a statement, replaces it, forgets it, and leaves nothing half-written", async () => {
    const store = createProvenanceStore(join(directory, "deep"));
    expect(await store.read(DIGEST)).toBeUndefined();
    await store.write(DIGEST, statement);
    await store.write(DIGEST, slsaStatement({ ...facts, invocationId: "8" }));
    expect((await store.read(DIGEST))?.predicate).toMatchObject({
      runDetails: { metadata: { invocationId: "8" } },
    });
    expect(await readdir(join(directory, "deep"))).toEqual([`${"1".repeat(64)}.json`]);
    expect(await store.remove(DIGEST)).toBe(true);
    expect(await store.remove(DIGEST)).toBe(false);
  });

  it("does not believe a file about another image, or one that is damaged", async () => {
    const store = createProvenanceStore(directory);
    const another = `sha256:${"9".repeat(64)}`;
    await writeFile(join(directory, `${"9".repeat(64)}.json`), JSON.stringify(statement));
    await expect(store.read(another)).rejects.toMatchObject({ code: "ERR_TRUST_MALFORMED" });
    await writeFile(join(directory, `${"9".repeat(64)}.json`), "{");
    await expect(store.read(another)).rejects.toMatchObject({ code: "ERR_TRUST_MALFORMED" });
  });

  it("is not led out of its directory", async () => {
    const store = createProvenanceStore(directory);
    await expect(store.read("sha256:../../etc/passwd")).rejects.toMatchObject({
      code: "ERR_TRUST_REFERENCE",
    });
  });
});
