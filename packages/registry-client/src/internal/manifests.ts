import { isDigest, parseImageReference } from "@molecule-ai/registry-mode";
import type {
  FetchedManifest,
  RegistryCallOptions,
  RegistryClient,
  ResolvedManifest,
} from "../client.js";
import { checkDigest, digestOf } from "../digest.js";
import { tooLarge, wrongArgument, wrongDigest } from "../errors.js";
import { MEDIA_TYPES } from "../manifest.js";
import { repositoryScope } from "../scope.js";
import type { Exchange } from "./exchange.js";
import {
  addressOf,
  notFound,
  pathOf,
  subjectOf,
  type ManifestAddress,
} from "./manifest-address.js";
import { readHead, readManifest, sameAlgorithm } from "./manifest-answer.js";
import { readBody } from "./read-body.js";
import { headerOf } from "./refusal.js";
import { parseRepository } from "./registry-address.js";

const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;

const ACCEPT: readonly string[] = [
  MEDIA_TYPES.ociIndex,
  MEDIA_TYPES.ociManifest,
  MEDIA_TYPES.dockerList,
  MEDIA_TYPES.dockerManifest,
];
const TAG = /^\w[\w.-]{0,127}$/;
const MEDIA_TYPE = /^[a-zA-Z0-9][\w!#$&^.+-]{0,126}\/[a-zA-Z0-9][\w!#$&^.+-]{0,126}$/;
export interface Manifests extends Pick<
  RegistryClient,
  "resolve" | "manifest" | "putManifest" | "deleteManifest"
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

export function createManifests(exchange: Exchange): Manifests {
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
          throw wrongDigest(
            host,
            subject,
            `the registry took ${digest} for ${JSON.stringify(told.slice(0, 200))}`,
          );
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
