import {
  isDigest,
  parseImageReference,
  parsePlatform,
  type ImageReference,
} from "@molecule-ai/registry-mode";
import { z } from "zod";
import type {
  FetchedManifest,
  RegistryCallOptions,
  RegistryClient,
  ResolvedManifest,
} from "../client.js";
import { checkDigest, digestOf } from "../digest.js";
import { invalidAnswer, RegistryError, tooLarge, wrongArgument, wrongDigest } from "../errors.js";
import { parseImageConfig } from "../image-config.js";
import { MEDIA_TYPES, parseManifest, type Descriptor } from "../manifest.js";
import { repositoryScope } from "../scope.js";
import type { Blobs } from "./blobs.js";
import type { Exchange } from "./exchange.js";
import { choosePlatform } from "./choose-platform.js";
import type { Answer } from "./http.js";
import { readBody } from "./read-body.js";
import { headerOf } from "./refusal.js";
import { parseRepository } from "./registry-address.js";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

const ACCEPT: readonly string[] = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerList,
  MEDIA_TYPES.dockerManifest,
];
const TAG = /^\w[\w.-]{0,127}$/;
const MEDIA_TYPE = /^[a-zA-Z0-9][\w!#$&^.+-]{0,126}\/[a-zA-Z0-9][\w!#$&^.+-]{0,126}$/;
/** What servers say that do not know better. */
const GENERIC_TYPES: readonly string[] = [
  "",
  "application/json",
  "application/octet-stream",
  "text/plain",
];

const OBJECT = z.record(z.string(), z.unknown());

/** One manifest of a repository: by digest where there is one, else by tag. */
export interface ManifestAddress {
  readonly domain: string;
  readonly path: string;
  readonly target: string;
}

export interface Manifests extends Pick<
  RegistryClient,
  "resolve" | "manifest" | "imageConfig" | "putManifest" | "deleteManifest"
> {
  /** As `manifest`; undefined when there is none. */
  find(
    address: ManifestAddress,
    options?: RegistryCallOptions & { readonly accept?: readonly string[] | undefined },
  ): Promise<FetchedManifest | undefined>;
  /** As `putManifest`; also tells whether the registry knows its subject as such. */
  put(
    address: ManifestAddress,
    manifest: { readonly mediaType: string; readonly bytes: Buffer },
    options?: RegistryCallOptions,
  ): Promise<ResolvedManifest & { readonly isSubjectKnown: boolean }>;
}

export function createManifests(exchange: Exchange, blobs: Blobs): Manifests {
  const find: Manifests["find"] = async (address, options = {}) => {
    const { domain: host, path } = address;
    const subject = subjectOf(address);
    const accept = options.accept ?? ACCEPT;
    const { value } = await exchange.ask(
      {
        host,
        method: "GET",
        target: pathOf(address),
        scopes: [repositoryScope(path, "pull")],
        subject,
        headers: { accept: accept.join(", ") },
        expect: [200, 404],
        isRepeatable: true,
        signal: options.signal,
      },
      async (answer, progress) => {
        if (answer.statusCode === 404) {
          await readBody(answer.body, MAX_MANIFEST_BYTES, progress);
          return undefined;
        }
        const bytes = await readBody(answer.body, MAX_MANIFEST_BYTES, progress);
        if (bytes === undefined) throw tooLarge(host, subject, MAX_MANIFEST_BYTES);
        return readManifest(address, answer, bytes);
      },
    );
    return value;
  };

  const manifest: Manifests["manifest"] = async (reference, options) => {
    const address = addressOf(parseImageReference(reference));
    const found = await find(address, options);
    if (found !== undefined) return found;
    throw notFound(address);
  };

  const resolve: Manifests["resolve"] = async (reference, options = {}) => {
    const address = addressOf(parseImageReference(reference));
    const { domain: host, path } = address;
    const { value } = await exchange.ask(
      {
        host,
        method: "HEAD",
        target: pathOf(address),
        scopes: [repositoryScope(path, "pull")],
        subject: subjectOf(address),
        headers: { accept: ACCEPT.join(", ") },
        // Some registries answer no HEAD, or not this one.
        expect: [200, 400, 404, 405, 501],
        isRepeatable: true,
        signal: options.signal,
      },
      async (answer, progress) => {
        await readBody(answer.body, MAX_MANIFEST_BYTES, progress);
        if (answer.statusCode === 404) return "absent";
        return answer.statusCode === 200 ? readHead(address, answer) : undefined;
      },
    );
    if (value === "absent") return undefined;
    if (value !== undefined) return value;
    const found = await find(address, options);
    return (
      found && { digest: found.digest, mediaType: found.mediaType, sizeBytes: found.sizeBytes }
    );
  };

  const put: Manifests["put"] = async (address, { mediaType, bytes }, options = {}) => {
    const { domain: host, path, target } = address;
    const digest = digestOf(bytes, isDigest(target) ? target : undefined);
    checkPut(target, mediaType, bytes, digest);
    const subject = subjectOf(address);
    const { value } = await exchange.ask(
      {
        host,
        method: "PUT",
        target: pathOf(address),
        scopes: [repositoryScope(path, "pull", "push")],
        subject: `push ${subject}`,
        headers: { "content-type": mediaType },
        body: bytes,
        expect: [200, 201, 202],
        isRepeatable: true,
        signal: options.signal,
      },
      async (answer, progress) => {
        await readBody(answer.body, MAX_MANIFEST_BYTES, progress);
        const told = headerOf(answer, "docker-content-digest");
        if (told !== undefined && told !== digest && sameAlgorithm(told, digest)) {
          throw wrongDigest(host, subject, `the registry took ${digest} for ${shown(told)}`);
        }
        return { isSubjectKnown: headerOf(answer, "oci-subject") !== undefined };
      },
    );
    return { digest, mediaType, sizeBytes: bytes.length, ...value };
  };

  return {
    find,
    manifest,
    resolve,
    put,
    async imageConfig(reference, { platform, signal } = {}) {
      const wanted = platform === undefined ? undefined : parsePlatform(platform);
      if (platform !== undefined && wanted === undefined) {
        throw wrongArgument(
          `${JSON.stringify(platform.slice(0, 80))} is no platform.`,
          "Write os/arch or os/arch/variant, for example linux/amd64.",
        );
      }
      const address = addressOf(parseImageReference(reference));
      const { domain: host, path } = address;
      let found = await manifest(reference, { signal });
      let parsed = parseManifest(found.json);
      if (parsed?.kind === "index") {
        const { digest } = choosePlatform(parsed.manifests, wanted, reference);
        found =
          (await find({ domain: host, path, target: digest }, { signal })) ??
          absentPart(address, digest);
        parsed = parseManifest(found.json);
      }
      if (parsed?.kind !== "image") {
        throw invalidAnswer(host, subjectOf(address), "this is no image that has a configuration");
      }
      const json = await readConfig(address, parsed.config, signal);
      const config = parseImageConfig(json);
      if (config === undefined) {
        throw invalidAnswer(host, subjectOf(address), "its configuration is not an image's");
      }
      return { manifestDigest: found.digest, digest: parsed.config.digest, ...config };
    },
    putManifest: async (repository, target, content, options) => {
      const { domain, path } = parseRepository(repository);
      const { digest, mediaType, sizeBytes } = await put(
        { domain, path, target },
        content,
        options,
      );
      return { digest, mediaType, sizeBytes };
    },
    async deleteManifest(repository, digest, options = {}) {
      const { domain, path } = parseRepository(repository);
      checkDigest(digest);
      const address = { domain, path, target: digest };
      let attempts = 0;
      return exchange.repeat(options.signal, async () => {
        attempts += 1;
        const { value: status } = await exchange.ask(
          {
            host: domain,
            method: "DELETE",
            target: pathOf(address),
            scopes: [repositoryScope(path, "pull", "delete")],
            subject: `delete ${subjectOf(address)}`,
            expect: [200, 202, 204, 404],
            isRepeatable: false,
            signal: options.signal,
          },
          async (answer, progress) => {
            await readBody(answer.body, MAX_MANIFEST_BYTES, progress);
            return answer.statusCode;
          },
        );
        // What is gone after a lost answer was removed by the question before.
        return status !== 404 || attempts > 1;
      });
    },
  };

  async function readConfig(
    { domain, path }: ManifestAddress,
    config: Descriptor,
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const subject = `configuration ${config.digest}`;
    if (config.sizeBytes > MAX_CONFIG_BYTES) throw tooLarge(domain, subject, MAX_CONFIG_BYTES);
    const { digest, sizeBytes } = config;
    const bytes = await exchange.repeat(signal, async () => {
      const body = await blobs.blob({ domain, path }, digest, { sizeBytes, signal });
      return readBody(body, MAX_CONFIG_BYTES);
    });
    return parseJson(bytes);
  }
}

/** Tag or digest of a reference; the digest wins, and `latest` stands for neither. */
export function addressOf({ domain, path, tag, digest }: ImageReference): ManifestAddress {
  return { domain, path, target: digest ?? tag ?? "latest" };
}

export function notFound(address: ManifestAddress): RegistryError {
  const subject = subjectOf(address);
  return new RegistryError(
    "ERR_REGISTRY_NOT_FOUND",
    `${address.domain}, ${subject}: there is none.`,
    {
      hint: "Check name and tag; registries also say this of private images to those they do not know.",
      details: { host: address.domain, subject, status: 404 },
    },
  );
}

function subjectOf({ path, target }: ManifestAddress): string {
  return `manifest ${path}${isDigest(target) ? "@" : ":"}${target}`;
}

function pathOf({ path, target }: ManifestAddress): string {
  return `/v2/${path}/manifests/${target}`;
}

/** An index names a manifest that its repository does not have. */
function absentPart(address: ManifestAddress, digest: string): never {
  throw notFound({ ...address, target: digest });
}

/** Undefined when the answer to HEAD tells too little. */
function readHead(address: ManifestAddress, answer: Answer): ResolvedManifest | undefined {
  const digest = headerOf(answer, "docker-content-digest") ?? "";
  const mediaType = mediaTypeOf(answer);
  const length = headerOf(answer, "content-length") ?? "";
  if (!isDigest(digest) || GENERIC_TYPES.includes(mediaType) || !/^\d{1,15}$/.test(length)) {
    return undefined;
  }
  checkTarget(address, digest);
  return { digest, mediaType, sizeBytes: Number(length) };
}

function readManifest(address: ManifestAddress, answer: Answer, bytes: Buffer): FetchedManifest {
  const { domain: host, target } = address;
  const subject = subjectOf(address);
  const told = headerOf(answer, "docker-content-digest") ?? "";
  const like = isDigest(target) ? target : isDigest(told) ? told : undefined;
  const digest = digestOf(bytes, like);
  checkTarget(address, digest);
  if (isDigest(told) && sameAlgorithm(told, digest) && told !== digest) {
    throw wrongDigest(host, subject, `its bytes have the digest ${digest}, not ${told}`);
  }
  const parsed = OBJECT.safeParse(parseJson(bytes));
  if (!parsed.success) throw invalidAnswer(host, subject, "this is no manifest");
  const { mediaType: own } = parsed.data;
  const header = mediaTypeOf(answer);
  const isGeneric = GENERIC_TYPES.includes(header);
  // Read as an index by one and as an image by another, a digest would not mean one thing.
  if (typeof own === "string" && own !== "" && !isGeneric && own.toLowerCase() !== header) {
    throw invalidAnswer(host, subject, "it is sent as another kind than it says it is");
  }
  const mediaType = isGeneric
    ? typeof own === "string" && own !== ""
      ? own
      : kindOf(parsed.data)
    : header;
  if (mediaType === undefined) throw invalidAnswer(host, subject, "this is no manifest");
  return { digest, mediaType, sizeBytes: bytes.length, bytes, json: parsed.data };
}

/** The OCI type of a manifest that names none. */
function kindOf(json: unknown): string | undefined {
  const kind = parseManifest(json)?.kind;
  return kind && (kind === "index" ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest);
}

function mediaTypeOf(answer: Answer): string {
  return (headerOf(answer, "content-type") ?? "").split(";", 1)[0]?.trim().toLowerCase() ?? "";
}

function checkTarget(address: ManifestAddress, digest: string): void {
  if (!isDigest(address.target) || address.target === digest) return;
  throw wrongDigest(address.domain, subjectOf(address), `the registry gave ${digest} instead`);
}

function checkPut(target: string, mediaType: string, bytes: Buffer, digest: string): void {
  if (!MEDIA_TYPE.test(mediaType)) {
    throw wrongArgument(`${JSON.stringify(mediaType)} is no media type.`, "Write type/subtype.");
  }
  if (bytes.length > MAX_MANIFEST_BYTES) {
    throw wrongArgument(
      `A manifest of ${bytes.length} bytes is too large.`,
      `Registries take ${MAX_MANIFEST_BYTES} bytes.`,
    );
  }
  if (isDigest(target) ? target === digest : TAG.test(target)) return;
  throw wrongArgument(
    isDigest(target)
      ? `The manifest has the digest ${digest}, not ${target}.`
      : `${JSON.stringify(target.slice(0, 200))} is neither a tag nor a digest.`,
    "A tag has up to 128 letters, digits, dots, dashes and underscores.",
  );
}

function sameAlgorithm(one: string, other: string): boolean {
  return one.split(":", 1)[0] === other.split(":", 1)[0];
}

function shown(text: string): string {
  return JSON.stringify(text.slice(0, 200));
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    return undefined;
  }
}
