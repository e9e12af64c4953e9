import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { BuildOptions, ImageBuilder } from "@molecule-ai/image-build";
import { pack } from "tar-stream";
import { expect, it } from "vitest";
import type { ImageContents } from "../../src/rebuild/image-contents.js";
import { compareImages } from "../../src/rebuild/compare-images.js";
import { readImage } from "../../src/rebuild/read-image.js";
import { rebuildAndCompare, rebuildTag } from "../../src/rebuild/rebuild.js";
import {
  checkRebuild,
  describeTrustLevel,
  isHardFailure,
  trustLevelOf,
  type CheckName,
  type RebuildCheck,
} from "../../src/rebuild/trust-level.js";
import { cosignArguments } from "../../src/signing/cosign-arguments.js";
import { createCosign } from "../../src/signing/cosign.js";
import { resolveKey } from "../../src/signing/resolve-key.js";
import type { Signer, SigningOperation } from "../../src/signing/signer.js";
import { parseEnvelope } from "../../src/verification/envelope.js";

interface Vector {
  readonly fn: string;
  readonly input: any; // oxlint-disable-line typescript/no-explicit-any
  readonly expected: any; // oxlint-disable-line typescript/no-explicit-any
  readonly why?: string;
}

const vectors = JSON.parse(
  await readFile(new URL("../fixtures/vectors.json", import.meta.url), "utf8"),
) as Vector[];

it.each(vectors.map((vector) => [vector.fn, JSON.stringify(vector.input).slice(0, 80), vector]))(
  "%s %s",
  async (_, __, vector) => {
    await run(vector);
  },
);

/** What the source calls a check, and what it is called here. */
const CHECKS: Readonly<Record<string, CheckName>> = {
  "image digest": "image",
  "binary hash": "files",
  version: "settings",
  "build graph": "build graph",
};

const SIGNERS: Readonly<Record<string, { signer: Signer; transparency: boolean }>> = {
  "key /k": { signer: { kind: "key", reference: "/k" }, transparency: false },
  "key /k transparency": { signer: { kind: "key", reference: "/k" }, transparency: true },
  kms: { signer: { kind: "kms", uri: "awskms://a" }, transparency: false },
  "oidc self-hosted": {
    signer: {
      kind: "keyless",
      oidc: { issuer: "https://i", tokenFile: "/tok" },
      instance: { fulcioUrl: "https://f", rekorUrl: "https://r", trustedRoot: "/tr" },
    },
    transparency: true,
  },
};

const OPERATIONS: Readonly<Record<string, SigningOperation>> = {
  "sign-image": { kind: "sign-image" },
  attest: { kind: "attest", predicate: "p.json", predicateType: "slsaprovenance1" },
  "sign-blob": { kind: "sign-blob" },
};

async function run({ fn, input, expected }: Vector): Promise<void> {
  switch (fn) {
    case "CrucibleTag":
      expect(rebuildTag("stagefreight", input[0], input[1])).toBe(expected);
      return;
    case "VerificationArtifact.AppendFlags":
    case "CleanupCrucibleImages":
    case "RunCrucible":
    case "build.EnsureCrucibleAllowed":
    case "resolveBuildMode":
    case "crucibleStepOutput@HEAD":
      return expectTwoPlainPasses(fn, expected);
    case "CrucibleCheck.IsHardFailure":
      for (const status of ["differs", "info", "match", "unavailable"] as const) {
        const name = CHECKS[input as string] ?? "base images";
        const check: RebuildCheck = { name, group: "artifact", status, detail: "" };
        expect(isHardFailure(check)).toBe(expected[status]);
      }
      return;
    case "VerifyCrucible":
      expect(levelOf(input.dockerOutputsInOrder)).toEqual({
        trust: expected.trust,
        hardFailure: expected.hardFailure,
      });
      return;
    case "build.TrustLevelLabel":
      if (expected !== null) expect(describeTrustLevel(input)).toBe(expected);
      else expect(["viable", "consistent", "deterministic", "reproducible"]).not.toContain(input);
      return;
    case "ImageLabel":
      expect((await contentsOf({ Labels: {} })).config).not.toHaveProperty("config.Labels.x");
      return;
    case "ImageEnvFingerprint":
    case "ImageVersion":
      // Reading an image needs no engine at all, so nothing of it can have been started.
      expect((await contentsOf({ Env: ["A=1"] })).config).toMatchObject({
        config: { Env: ["A=1"] },
      });
      return;
    case "ImageBinaryHash":
      await expect(readImage(Readable.from([Buffer.alloc(0)]))).rejects.toMatchObject({
        code: expected.error,
      });
      return;
    case "ImageDigest":
      expect((await contentsOf({})).id).toMatch(/^sha256:[0-9a-f]{64}$/);
      return;
    case "CosignSign":
    case "CosignAttest": {
      const operation: SigningOperation =
        fn === "CosignSign"
          ? { kind: "sign-image", reference: input.digestRef, recursive: input.multiArch }
          : {
              kind: "attest",
              reference: input.digestRef,
              predicate: input.predicate,
              predicateType: "slsaprovenance",
            };
      const signer: Signer = { kind: "key", reference: input.key };
      expect(cosignArguments({ signer, operation, transparency: false }, "2")).toEqual(expected);
      return;
    }
    case "CosignAvailable":
      expect(await createCosign({ file: "true", env: { PATH: "/usr/bin:/bin" } }).isPresent()).toBe(
        expected,
      );
      return;
    case "ResolveCosignKey": {
      const stateDirectory = await mkdtemp(join(tmpdir(), "molecule-key-"));
      try {
        if (input.file) await writeFile(join(stateDirectory, "cosign.key"), "");
        const found = await resolveKey({ env: {}, stateDirectory });
        expect(found?.replace(stateDirectory, "<state>") ?? null).toBe(expected);
      } finally {
        await rm(stateDirectory, { recursive: true });
      }
      return;
    }
    case "cosign.Render@HEAD": {
      const operation = OPERATIONS[input.op] ?? { kind: "sign-image" };
      const known = SIGNERS[input.case];
      if (known !== undefined) {
        expect(cosignArguments({ ...known, operation }, "3")).toEqual(expected.args);
        return;
      }
      const signer: Signer = { kind: "key", reference: "env:X" };
      const unresolved = createCosign({ file: "true", env: { PATH: "/usr/bin:/bin" } });
      await expect(
        unresolved.sign({ signer, operation, transparency: false }),
      ).rejects.toMatchObject({ code: expected.error });
      return;
    }
    case "build.TruncHash": {
      const differing = checkRebuild(
        compareImages(image({}), image({})),
        { graph: input, bases: [] },
        { graph: "b", bases: [] },
      );
      expect(differing.find(({ name }) => name === "build graph")?.detail).toContain(
        `first ${expected}`,
      );
      return;
    }
    case "build.WrapDSSE": {
      const unsigned = {
        payloadType: "application/vnd.in-toto+json",
        payload: "e30=",
        signatures: null,
      };
      expect(parseEnvelope(Buffer.from(JSON.stringify(unsigned))) ?? null).toBe(expected);
      return;
    }
    default:
      throw new Error(`no such function: ${fn}`);
  }
}

/** The outputs of `docker` in the order of the source: hashes, versions, image ids, graphs. */
function levelOf(outputs: readonly string[]): { trust: string; hardFailure: boolean } {
  const [hash1, hash2, version1, version2, id1, id2, graph1, graph2] = outputs;
  const graph = (text: string | undefined): string | undefined =>
    text === "<no value>" ? undefined : text;
  const file = (digest: string | undefined) => ({
    path: "app",
    type: "file" as const,
    mode: 0o755,
    uid: 0,
    gid: 0,
    modifiedAt: 0,
    sizeBytes: 1,
    digest: digest ?? "",
    target: "",
  });
  const one = image({ Env: [version1 ?? ""] }, id1, [file(hash1)]);
  const other = image({ Env: [version2 ?? ""] }, id2, [file(hash2)]);
  const checks = checkRebuild(
    compareImages(one, other),
    { graph: graph(graph1), bases: undefined },
    { graph: graph(graph2), bases: undefined },
  );
  return { trust: trustLevelOf(checks), hardFailure: checks.some(isHardFailure) };
}

function image(
  config: Record<string, string[]>,
  id = "sha256:1",
  entries: ImageContents["layers"][number]["entries"] = [],
): ImageContents {
  const diffId = entries.map(({ digest }) => digest).join();
  return { id, config: { config }, layers: [{ diffId, entries }] };
}

/** An archive as the engine writes it, read again. */
async function contentsOf(config: object): Promise<ImageContents> {
  const archive = pack();
  archive.entry({ name: "c.json" }, JSON.stringify({ config }));
  archive.entry(
    { name: "manifest.json" },
    JSON.stringify([{ Config: "c.json", RepoTags: [], Layers: [] }]),
  );
  archive.finalize();
  return readImage(Readable.from(archive));
}

/** Comparing is two plain builds, loaded and never pushed, whose images are gone afterwards. */
async function expectTwoPlainPasses(fn: string, expected: unknown): Promise<void> {
  const built: BuildOptions[] = [];
  const removed: string[] = [];
  const builder: ImageBuilder = {
    settingsDigest: () => "same",
    build: async (options) => {
      built.push(options);
      return {} as Awaited<ReturnType<ImageBuilder["build"]>>;
    },
  };
  const archive = async (): Promise<Readable> => {
    const tar = pack();
    tar.entry({ name: "c.json" }, "{}");
    tar.entry({ name: "manifest.json" }, '[{"Config":"c.json","RepoTags":[],"Layers":[]}]');
    tar.finalize();
    return Readable.from(tar);
  };
  const engine = {
    images: {
      save: archive,
      remove: async (tag: string) => {
        removed.push(tag);
        return true;
      },
    },
  } as unknown as DockerEngine;
  const { run: id } = await rebuildAndCompare({
    build: { context: { kind: "directory", path: "/x" } },
    first: { engine, builder },
    namespace: "stagefreight",
  });
  expect(built).toHaveLength(2);
  const tags = ["candidate", "verify"].map(
    (purpose) => `stagefreight-local/rebuild-${purpose}:${id}`,
  );
  expect(removed).toEqual(tags);
  for (const [index, options] of built.entries()) {
    expect(options).toMatchObject({ tags: [tags[index]], output: { load: true }, noCache: true });
    expect(options.output?.push ?? false).toBe(false);
  }
  if (fn === "VerificationArtifact.AppendFlags") {
    expect((expected as { output: unknown }).output).toEqual(built[1]?.output);
  }
  if (fn === "crucibleStepOutput@HEAD") {
    expect(expected).toEqual(Array(4).fill({ load: true, push: false }));
  }
}

it("gives a reason for every value that is not the source's", () => {
  for (const vector of vectors) {
    if ("source" in vector) expect(vector.why).toMatch(/\w.*\.$/);
  }
});
