import { EngineError, type ImageInfo } from "@molecule-ai/docker-engine";
import { createRegistryClient } from "@molecule-ai/registry-client";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { expect, it } from "vitest";
import { parseBuildxMetadata } from "../../src/buildx/metadata.js";
import { saveImages } from "../../src/publish/archive-file.js";
import { publishedOfMetadata, verifyPublished } from "../../src/publish/buildx-published.js";
import { credentialOfPrefix, resolveLogins } from "../../src/publish/credentials.js";
import { resolvePublishedDigest } from "../../src/publish/digests.js";
import { createDockerConfig } from "../../src/publish/docker-config.js";
import { detectProvider } from "../../src/publish/provider.js";
import {
  readPublishManifest,
  writePublishManifest,
} from "../../src/publish/publish-manifest-file.js";
import type { PublishedImage } from "../../src/publish/published.js";
import { PushError, summarizePushFailure } from "../../src/publish/push-error.js";
import { pushTags } from "../../src/publish/push.js";
import {
  classifyPushFailure,
  describePushFailure,
  isHarborProjectMissing,
} from "../../src/publish/push-failure.js";
import { normalizeRegistryHost } from "../../src/publish/registry-host.js";
import { collectRemoteTags, type RegistryTarget } from "../../src/publish/registry-target.js";
import vectors from "../fixtures/vectors/publish.json" with { type: "json" };

interface Vector {
  readonly fn: string;
  readonly input: unknown;
  readonly expected: unknown;
  readonly note: string;
}

it.each(vectors as Vector[])("$fn: $note", async ({ fn, input, expected }) => {
  switch (fn) {
    case "ParseBuildxPublished":
      parsesBuildxPublished(input as BuildxInput, expected as BuildxExpected);
      return;
    case "resolvePublished":
      resolvesPublished(input as { file?: string }, expected as { error: string });
      return;
    case "Buildx.PushTags":
      await pushesTags(input as PushInput, expected as PushExpected);
      return;
    case "collectRemoteTags":
      expect(collectRemoteTags(STEPS)).toEqual(expected);
      return;
    case "Buildx.Login":
      await logsIn(input as LoginInput, expected as LoginExpected);
      return;
    case "credentials.ResolvePrefix":
      expect(prefixAsVector(input as PrefixInput)).toEqual(expected);
      return;
    case "Buildx.Save":
      await saves(input as { path: string; ref: string }, expected);
      return;
    case "ResolveDigest":
      await resolvesDigest(input as { stdout: string }, expected as ResolveExpected);
      return;
    case "ResolveLocalDigest":
      await resolvesLocalDigest(input as LocalInput, expected);
      return;
    case "build.DetectProvider":
      expect(detectProvider(input as string)).toBe(expected);
      return;
    case "postbuild.ClassifyPushFailure":
      expect(describePushFailure(classifyPushFailure(input as string))).toBe(expected);
      return;
    case "normalizeRegistryHost":
      expect(normalizeRegistryHost(input as string)).toBe(expected);
      return;
    case "postbuild.IsHarborProjectMissingPushError": {
      const { providers, stderr } = input as { providers: string[]; stderr: string };
      expect(isHarborProjectMissing(providers, stderr)).toBe(expected);
      return;
    }
    case "artifact.WritePublishManifest":
      await writesManifest(input as string, expected);
      return;
    case "newPushFailure":
      summarizesFailure(input as string, expected);
      return;
    default:
      throw new Error(`no test for ${fn}`);
  }
});

interface BuildxInput {
  readonly file: string;
  readonly registries: readonly { readonly provider: string; readonly url: string }[];
}
interface BuildxExpected {
  readonly error: string | null;
  readonly images: readonly Record<string, string>[];
}

function parsesBuildxPublished({ file, registries }: BuildxInput, expected: BuildxExpected): void {
  const parse = () => publishedOfMetadata(parseBuildxMetadata(file), registries);
  if (expected.error !== null) {
    expect(parse).toThrow(expected.error);
    return;
  }
  const images = parse().map(({ digest = "", host, path, provider, ref, tag }) => ({
    digest,
    host,
    path,
    provider,
    ref,
    tag,
  }));
  expect(images).toEqual(expected.images);
}

const TARGETS: readonly RegistryTarget[] = [
  { url: "https://GHCR.io/", path: "org/app", tags: ["1", "2"], provider: "ghcr" },
  { url: "q", path: "x", tags: ["1"], provider: "local" },
];

function resolvesPublished({ file }: { file?: string }, expected: { error: string }): void {
  const metadata = file === undefined ? undefined : parseBuildxMetadata(file);
  expect(() => verifyPublished(metadata, TARGETS)).toThrow(expected.error);
}

interface PushInput {
  readonly fake?: string;
  readonly tags: readonly string[];
}
interface PushExpected {
  readonly pushed: readonly string[];
  readonly asked: readonly string[];
  readonly [field: string]: unknown;
}

async function pushesTags({ fake, tags }: PushInput, expected: PushExpected): Promise<void> {
  const asked: string[] = [];
  const push = (tag: string): Promise<{ digest: string; sizeBytes: number }> => {
    asked.push(tag);
    if (fake === undefined || asked.length < 2) {
      return Promise.resolve({ digest: digestOf(tag), sizeBytes: 1 });
    }
    const details = { engineMessage: "denied: no" };
    return Promise.reject(new EngineError("ERR_PUSH_FORBIDDEN", "denied: no", { details }));
  };
  const result = await pushTags({ engine: { images: { push } }, tags }).catch(
    (error: unknown) => error,
  );
  expect(asked).toEqual(expected.asked);
  if (expected["error"] === null) {
    expect(result).toEqual(
      expected.pushed.map((tag) => ({ tag, digest: digestOf(tag), sizeBytes: 1 })),
    );
    return;
  }
  const error = result as PushError;
  expect(error).toBeInstanceOf(PushError);
  expect({
    pushed: error.pushed.map(({ tag }) => tag),
    asked,
    remaining: error.remaining,
    tag: error.tag,
    text: error.text,
    reason: error.reason,
    exitCode: error.exitCode ?? null,
  }).toEqual(expected);
}

const STEPS = [
  {
    load: true,
    push: false,
    registries: [
      { url: "r.io", path: "a/b", tags: ["1", "2"] },
      { url: "q", path: "q", tags: ["x"], provider: "local" },
    ],
  },
  { load: false, push: true, registries: [{ url: "s.io", path: "c", tags: ["9"] }] },
];

interface LoginInput {
  readonly env: Record<string, string>;
  readonly registries: readonly { readonly url: string; readonly credentials?: string }[];
}
interface LoginExpected {
  readonly error: string | null;
  readonly auths: Record<string, string>;
  readonly warnings: readonly string[];
}

async function logsIn({ env, registries }: LoginInput, expected: LoginExpected): Promise<void> {
  const targets = registries.map((registry) => ({ ...registry, path: "x", tags: [] }));
  if (expected.error !== null) {
    expect(() => resolveLogins(targets, env)).toThrow(expected.error);
    return;
  }
  const { logins, warnings } = resolveLogins(targets, env);
  expect(warnings.map(({ message }) => message.split(" ")[0])).toEqual(expected.warnings);
  await using config = await createDockerConfig({ logins, verify: false });
  const written = JSON.parse(await readFile(join(config.directory, "config.json"), "utf8")) as {
    auths: Record<string, { auth: string }>;
  };
  const auths = Object.entries(written.auths).map(([server, { auth }]) => [
    server,
    Buffer.from(auth, "base64").toString(),
  ]);
  expect(Object.fromEntries(auths)).toEqual(expected.auths);
}

interface PrefixInput {
  readonly prefix: string;
  readonly env: Record<string, string>;
}

function prefixAsVector({ prefix, env }: PrefixInput): Record<string, unknown> {
  const {
    user = "",
    secret = "",
    secretVariable = "",
    kind = "",
  } = credentialOfPrefix(prefix, env);
  return { isSet: user !== "" && secret !== "", kind, secret, secretEnv: secretVariable, user };
}

async function saves(
  { path, ref }: { path: string; ref: string },
  expected: unknown,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-vectors-"));
  try {
    const asked: string[] = [];
    const save = (refs: readonly string[]): Promise<Readable> => {
      asked.push(...refs);
      return Promise.resolve(Readable.from([Buffer.from("archive")]));
    };
    const target = join(directory, basename(path));
    await saveImages({ engine: { images: { save } }, refs: [ref], path: target });
    expect(await readFile(target, "utf8")).toBe("archive");
    expect({ refs: asked, file: basename(target) }).toEqual(expected);
  } finally {
    await rm(directory, { recursive: true });
  }
}

interface ResolveExpected {
  readonly requests: readonly string[];
  readonly digest: string;
  readonly error: string | null;
}

/** The text that imagetools would print becomes what a registry answers with. */
async function resolvesDigest(
  { stdout }: { stdout: string },
  expected: ResolveExpected,
): Promise<void> {
  const isManifest = stdout !== "garbage";
  const body = Buffer.from(isManifest ? '{"schemaVersion":2,"manifests":[]}' : stdout);
  const header = stdout.trim().includes("\n") ? undefined : wholeDigest(stdout.trim());
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    response.writeHead(200, {
      "content-type": "application/vnd.oci.image.index.v1+json",
      "content-length": body.length,
      ...(header === undefined ? {} : { "docker-content-digest": header }),
    });
    response.end(request.method === "HEAD" ? undefined : body);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  try {
    await using registry = createRegistryClient({ retries: 0 });
    const { port } = server.address() as AddressInfo;
    const result = await resolvePublishedDigest({
      tag: `127.0.0.1:${port}/a:1`,
      registry,
      attempts: 1,
    }).catch((error: unknown) => error);
    expect(requests).toEqual(expected.requests);
    if (expected.error === null) {
      const digest = header ?? digestOf(body);
      expect(result).toEqual({ digest, sources: ["registry"] });
    } else expect(result).toMatchObject({ code: expected.error });
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

interface LocalInput {
  readonly ref: string;
  readonly repoDigests: string;
}

async function resolvesLocalDigest(
  { ref, repoDigests }: LocalInput,
  expected: unknown,
): Promise<void> {
  const asked: string[] = [];
  const digests = (JSON.parse(repoDigests) as string[]).map((entry) =>
    entry.replace(/sha256:.*$/, wholeDigest),
  );
  const inspect = (tag: string): Promise<ImageInfo> => {
    asked.push(tag);
    return Promise.resolve({ id: digestOf("image"), digests } as unknown as ImageInfo);
  };
  const result = await resolvePublishedDigest({
    tag: ref,
    engine: { images: { inspect } },
    // The registry cannot be asked.
    registry: createUnreachable(),
    attempts: 1,
  }).catch(() => undefined);
  expect({
    asked,
    digest: result === undefined ? "" : shortDigest(result.digest),
    found: result !== undefined,
  }).toEqual(expected);
  if (result !== undefined) expect(result.sources).toEqual(["local"]);
}

function createUnreachable(): { resolve: () => Promise<never> } {
  const client = createRegistryClient({ retries: 0 });
  return { resolve: () => client.resolve("127.0.0.1:1/a:1") as Promise<never> };
}

const record = (
  host: string,
  path: string,
  tag: string,
  more: Partial<PublishedImage>,
): PublishedImage => ({
  host,
  path,
  tag,
  provider: "",
  ref: "",
  buildInstance: {},
  ...more,
});

async function writesManifest(input: string, expected: unknown): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-vectors-"));
  const path = join(directory, ".stagefreight", "publish.json");
  try {
    if (typeof expected === "string") {
      const images = ["sha256:aa", "sha256:bb"].map((digest) => record("a", "p", "1", { digest }));
      await expect(writePublishManifest(path, { published: images })).rejects.toThrow(expected);
      return;
    }
    expect(input).toContain("3 images");
    const published = [
      record("https://GHCR.io/", "o/app", "2", { provider: "github" }),
      record("docker.io", "o/app", "1", { digest: "sha256:aa" }),
      record("ghcr.io", "o/app", "2", { digest: "sha256:bb" }),
    ];
    await writePublishManifest(path, { published, timestamp: "2026-01-01T00:00:00Z" });
    const { content, path: named } = expected as { content: string; path: string };
    expect(path.endsWith(named)).toBe(true);
    expect(await readFile(path, "utf8")).toBe(content);
    expect((await readPublishManifest(path))?.published).toHaveLength(2);
  } finally {
    await rm(directory, { recursive: true });
  }
}

function summarizesFailure(input: string, expected: unknown): void {
  if (!input.startsWith("PushError")) {
    const { tag = "", exitCode, text } = summarizePushFailure(new Error("x"), "fallback");
    expect({ exitCode, stderr: text, tag }).toEqual(expected);
    return;
  }
  const error = new PushError({
    tag: "r/a:1",
    failure: classifyPushFailure("s"),
    text: "s",
    exitCode: 7,
    cause: new Error("c"),
  });
  const { tag, exitCode, text } = summarizePushFailure(error, "fallback");
  const { message: cause } = error.cause as Error;
  expect({ err: error.message, cause, exitCode, stderr: text, tag }).toEqual(expected);
}

/** Digests of the vectors are shortened; whole ones begin with the same digits. */
function wholeDigest(text: string): string {
  const hex = /^sha256:([0-9a-f]+)$/.exec(text)?.[1];
  return hex === undefined ? text : `sha256:${hex.padEnd(64, "0")}`;
}

function shortDigest(digest: string): string {
  return digest.replace(/0+$/, "");
}

function digestOf(content: string | Buffer): string {
  return `sha256:${createHash("sha256").update(content).digest("hex")}`;
}
