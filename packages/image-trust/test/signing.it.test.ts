import { createHash } from "node:crypto";
import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { createRedactor } from "@molecule-ai/core";
import { runProcess } from "@molecule-ai/process-runner";
import { bytesBlob, createRegistryClient, type RegistryClient } from "@molecule-ai/registry-client";
import {
  findCosign,
  findTestRegistry,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { attachmentTag } from "../src/digest-reference.js";
import { parseTrustPolicy, type TrustPolicy } from "../src/policy/trust-policy.js";
import { slsaStatement } from "../src/provenance/slsa-statement.js";
import { createCosign, type Cosign } from "../src/signing/cosign.js";
import { requireVerified, verifyImage } from "../src/verification/verify-image.js";

const cosignProgram = await findCosign();
const registryProgram = await findTestRegistry();
const skip = cosignProgram.skip ?? registryProgram.skip;

const PASSWORD = "correct horse battery";
const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";

describe.skipIf(skip !== undefined)("cosign against a registry", () => {
  let directory: string;
  let registry: TestRegistry;
  let client: RegistryClient;
  let cosign: Cosign;
  let policy: TrustPolicy;
  let key: string;
  const auth = { username: "ada", password: "registry-secret-1" };

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-signing-"));
    registry = await startTestRegistry({ auth });
    client = createRegistryClient({
      credentials: async () => ({ kind: "password", ...auth }),
    });
    await writeFile(
      join(directory, "config.json"),
      JSON.stringify({
        auths: {
          [registry.host]: {
            auth: Buffer.from(`${auth.username}:${auth.password}`).toString("base64"),
          },
        },
      }),
      { mode: 0o600 },
    );
    const env = { PATH: process.env["PATH"], HOME: homedir(), COSIGN_PASSWORD: PASSWORD };
    cosign = createCosign({ file: cosignProgram.file, env });
    key = await makeKey("release");
    policy = parseTrustPolicy({
      keys: [{ id: "release", publicKey: await readFile(join(directory, "release.pub"), "utf8") }],
    });
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  const makeKey = async (name: string): Promise<string> => {
    const outcome = await runProcess({
      file: cosignProgram.file ?? "",
      args: ["generate-key-pair", "--output-key-prefix", name],
      cwd: directory,
      env: { PATH: process.env["PATH"] ?? "", HOME: homedir(), COSIGN_PASSWORD: PASSWORD },
      signal: AbortSignal.timeout(60_000),
      stdoutLimitBytes: 65_536,
    });
    if (outcome.kind !== "exited") throw new Error(JSON.stringify(outcome));
    return join(directory, `${name}.key`);
  };

  /** An image of one small layer; gives `repository@digest`. */
  const pushImage = async (repository: string, content: string): Promise<string> => {
    const blob = async (bytes: Buffer): Promise<{ digest: string; size: number }> => {
      const digest = digestOf(bytes);
      await client.pushBlob(`${registry.host}/${repository}`, bytesBlob(bytes));
      return { digest, size: bytes.length };
    };
    const config = await blob(
      Buffer.from(JSON.stringify({ architecture: "amd64", os: "linux", content })),
    );
    const layer = await blob(Buffer.from(content));
    const manifest = {
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: { mediaType: "application/vnd.oci.image.config.v1+json", ...config },
      layers: [{ mediaType: "application/vnd.oci.image.layer.v1.tar", ...layer }],
    };
    const { digest } = await client.putManifest(`${registry.host}/${repository}`, "latest", {
      mediaType: MANIFEST_TYPE,
      bytes: Buffer.from(JSON.stringify(manifest)),
    });
    return `${registry.host}/${repository}@${digest}`;
  };

  const sign = (reference: string, reference_ = key): Promise<void> =>
    cosign.sign(
      {
        signer: { kind: "key", reference: reference_ },
        operation: { kind: "sign-image", reference },
        transparency: false,
      },
      { dockerConfig: directory },
    );
  const verify = (reference: string) => verifyImage(reference, { registry: client, policy });

  it("knows which options the program understands", async () => {
    expect(await cosign.isPresent()).toBe(true);
    expect(["2", "3"]).toContain(await cosign.dialect());
  });

  it("signs a digest, and this process verifies it without cosign", async () => {
    const reference = await pushImage("team/signed", "one");
    await sign(reference);
    const verification = requireVerified(await verify(reference));
    expect(verification.signatures).toEqual([
      { signer: { kind: "key", id: "release" }, origin: expect.stringContaining(".sig") },
    ]);
    expect(verification.rejected).toEqual([]);
  });

  it("signs with a key that lies in a variable", async () => {
    const reference = await pushImage("team/env-key", "env");
    const env = {
      PATH: process.env["PATH"],
      HOME: homedir(),
      COSIGN_PASSWORD: PASSWORD,
      SIGNING_KEY: await readFile(key, "utf8"),
    };
    await createCosign({ file: cosignProgram.file, env }).sign(
      {
        signer: { kind: "key", reference: "env:SIGNING_KEY" },
        operation: { kind: "sign-image", reference },
        transparency: false,
      },
      { dockerConfig: directory },
    );
    expect((await verify(reference)).signatures).toHaveLength(1);
  });

  it("attests a predicate that reads back as it was, with the signer", async () => {
    const reference = await pushImage("team/attested", "two");
    const digest = reference.split("@")[1] ?? "";
    const statement = slsaStatement({
      subject: { names: ["attested"], digest },
      source: {
        repository: "https://git.example.com/x",
        ref: "main",
        commit: "c".repeat(40),
        tree: "d".repeat(40),
      },
      bases: [],
      builder: { id: "install:test", versions: {} },
      dockerfile: undefined,
      parameters: {},
      startedAt: 0,
      finishedAt: 1,
      invocationId: "1",
    });
    const predicate = join(directory, "predicate.json");
    await writeFile(predicate, JSON.stringify(statement["predicate"]));
    await cosign.sign(
      {
        signer: { kind: "key", reference: key },
        operation: { kind: "attest", reference, predicate, predicateType: "slsaprovenance1" },
        transparency: false,
      },
      { dockerConfig: directory },
    );
    const { attestations, signatures } = await verify(reference);
    expect(signatures).toEqual([]);
    expect(attestations).toMatchObject([
      {
        signer: { kind: "key", id: "release" },
        predicateType: "https://slsa.dev/provenance/v1",
        predicate: { runDetails: { builder: { id: "install:test" } } },
      },
    ]);
  });

  it("does not count a signature of a key nobody trusts", async () => {
    const reference = await pushImage("team/wrong-key", "three");
    await sign(reference, await makeKey("stranger"));
    const verification = await verify(reference);
    expect(verification).toMatchObject({
      signatures: [],
      rejected: [{ reason: expect.stringContaining("no trusted key made it") }],
    });
    expect(() => requireVerified(verification)).toThrow(
      expect.objectContaining({ code: "ERR_TRUST_UNVERIFIED" }),
    );
  });

  it("does not count a genuine signature of another digest that was copied here", async () => {
    const signed = await pushImage("team/replay", "genuine");
    await sign(signed);
    const evil = await pushImage("team/replay", "evil");
    const [from = "", to = ""] = [signed, evil].map((reference) => reference.split("@")[1] ?? "");
    const repository = `${registry.host}/team/replay`;
    const { bytes, mediaType } = await client.manifest(
      `${repository}:${attachmentTag(from, "sig")}`,
    );
    await client.putManifest(repository, attachmentTag(to, "sig"), { bytes, mediaType });
    expect(await verify(evil)).toMatchObject({
      signatures: [],
      rejected: [{ reason: expect.stringContaining(`it was made for ${from}`) }],
    });
    expect((await verify(signed)).signatures).toHaveLength(1);
  });

  it("does not count a signature whose payload was changed", async () => {
    const reference = await pushImage("team/tampered", "four");
    await sign(reference);
    const digest = reference.split("@")[1] ?? "";
    const repository = `${registry.host}/team/tampered`;
    const tag = `${repository}:${attachmentTag(digest, "sig")}`;
    const { json } = await client.manifest(tag);
    const manifest = structuredClone(json) as { layers: { digest: string; size: number }[] };
    const payload = Buffer.from(
      JSON.stringify({
        critical: {
          identity: { "docker-reference": repository },
          image: { "docker-manifest-digest": digest },
          type: "cosign container image signature",
        },
        optional: { owned: true },
      }),
    );
    await client.pushBlob(repository, bytesBlob(payload));
    for (const layer of manifest.layers) {
      layer.digest = digestOf(payload);
      layer.size = payload.length;
    }
    await client.putManifest(repository, attachmentTag(digest, "sig"), {
      mediaType: MANIFEST_TYPE,
      bytes: Buffer.from(JSON.stringify(manifest)),
    });
    expect(await verify(reference)).toMatchObject({
      signatures: [],
      rejected: [{ reason: expect.stringContaining("no trusted key made it") }],
    });
  });

  it("finds nothing where nothing is, and says so", async () => {
    const reference = await pushImage("team/unsigned", "five");
    const verification = await verify(reference);
    expect(verification).toMatchObject({ signatures: [], attestations: [], rejected: [] });
    expect(() => requireVerified(verification)).toThrow(/nothing is signed there/);
  });

  it("refuses a tag, which may mean another image tomorrow", async () => {
    await expect(verify(`${registry.host}/team/signed:latest`)).rejects.toMatchObject({
      code: "ERR_TRUST_REFERENCE",
    });
  });

  it("does not take a registry that is gone for one without signatures", async () => {
    const gone = await startTestRegistry();
    const { host } = gone;
    await gone[Symbol.asyncDispose]();
    await expect(verify(`${host}/a@sha256:${"1".repeat(64)}`)).rejects.toMatchObject({
      code: expect.stringMatching(/^ERR_REGISTRY/),
    });
    await expect(sign(`${host}/a@sha256:${"1".repeat(64)}`)).rejects.toMatchObject({
      code: "ERR_TRUST_COSIGN_FAILED",
    });
  });

  it("says that the password is wrong, and never shows it or the registry's", async () => {
    const reference = await pushImage("team/password", "six");
    const wrong = createCosign({
      file: cosignProgram.file,
      env: { PATH: process.env["PATH"], HOME: homedir(), COSIGN_PASSWORD: "not-the-password" },
      redactor: createRedactor([auth.password]),
    });
    const failure = await wrong
      .sign(
        {
          signer: { kind: "key", reference: key },
          operation: { kind: "sign-image", reference },
          transparency: false,
        },
        { dockerConfig: directory },
      )
      .then(
        () => undefined,
        (error: unknown) => error,
      );
    expect(failure).toMatchObject({
      code: "ERR_TRUST_COSIGN_FAILED",
      hint: expect.stringContaining("COSIGN_PASSWORD"),
    });
    expect(JSON.stringify(failure)).not.toMatch(/not-the-password|registry-secret-1/);
  });
});

describe("a cosign that misbehaves", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-fake-cosign-"));
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });
  const plan = {
    signer: { kind: "key", reference: "k" },
    operation: { kind: "sign-image", reference: `r.io/a@sha256:${"a".repeat(64)}` },
    transparency: false,
  } as const;
  const program = async (script: string): Promise<string> => {
    const file = join(
      directory,
      `cosign-${createHash("sha256").update(script).digest("hex").slice(0, 8)}`,
    );
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  };

  it("is said to be missing, with how to get it", async () => {
    const cosign = createCosign({ file: join(directory, "none"), env: {} });
    expect(await cosign.isPresent()).toBe(false);
    await expect(cosign.sign(plan)).rejects.toMatchObject({
      code: "ERR_TRUST_COSIGN_MISSING",
      hint: expect.stringContaining("MOLECULE_COSIGN_PATH"),
    });
  });

  it("is ended when it hangs", async () => {
    const file = await program('[ "$2" = --help ] && exit 0; sleep 60');
    const cosign = createCosign({ file, env: { PATH: process.env["PATH"] }, timeoutMs: 500 });
    await expect(cosign.sign(plan)).rejects.toMatchObject({ code: "ERR_DEADLINE" });
  });

  it("is ended when the caller has had enough", async () => {
    const file = await program('[ "$2" = --help ] && exit 0; sleep 60 ');
    const cosign = createCosign({ file, env: { PATH: process.env["PATH"] } });
    const enough = new Error("enough");
    const abort = new AbortController();
    setTimeout(() => abort.abort(enough), 300);
    await expect(cosign.sign(plan, { signal: abort.signal })).rejects.toBe(enough);
  });

  it("cannot print secrets into errors", async () => {
    const file = await program(
      '[ "$2" = --help ] && exit 0; echo "Error: $COSIGN_PASSWORD" >&2; exit 1',
    );
    const env = { PATH: process.env["PATH"], COSIGN_PASSWORD: "hunter2-hunter2" };
    const failure = await createCosign({ file, env })
      .sign(plan)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ERR_TRUST_COSIGN_FAILED" });
    expect(JSON.stringify(failure)).not.toContain("hunter2");
  });

  it("is refused before it runs when the key's variable is not set", async () => {
    const file = await program("exit 0");
    const cosign = createCosign({ file, env: {} });
    await expect(
      cosign.sign({ ...plan, signer: { kind: "key", reference: "env:NOT_SET" } }),
    ).rejects.toMatchObject({
      code: "ERR_TRUST_SIGNER",
      message: expect.stringContaining("env:NOT_SET"),
    });
  });
});

function digestOf(bytes: Buffer): string {
  return `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
}
