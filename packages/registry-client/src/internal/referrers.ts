import { bytesBlob } from "../bytes-blob.js";
import type { RegistryCallOptions, RegistryClient } from "../client.js";
import { checkDigest, digestOf } from "../digest.js";
import { invalidAnswer, RegistryError } from "../errors.js";
import { formatDescriptor, MEDIA_TYPES, parseManifest, type Descriptor } from "../manifest.js";
import { repositoryScope } from "../scope.js";
import type { Blobs } from "./blobs.js";
import type { Exchange } from "./exchange.js";
import type { ManifestAddress } from "./manifest-address.js";
import type { Manifests } from "./manifests.js";
import { eachPage } from "./pages.js";
import { createTurns } from "./turns.js";
import { parseRepository } from "./registry-address.js";

const MOST_PAGES = 100;
const MOST_TRIES = 5;

export type Referrers = Pick<RegistryClient, "referrers" | "pushReferrer"> & {
  /** Makes sure that a manifest which was pushed is found by its subject. */
  ensureListed(
    repository: { readonly domain: string; readonly path: string },
    subjectDigest: string,
    referrer: Descriptor,
    options: RegistryCallOptions,
  ): Promise<void>;
};

export function createReferrers(exchange: Exchange, blobs: Blobs, manifests: Manifests): Referrers {
  const inTurn = createTurns();

  /** By the registry's own call; undefined when it has none. */
  const ask = async (
    { domain: host, path }: { readonly domain: string; readonly path: string },
    digest: string,
    artifactType: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<Descriptor[] | undefined> => {
    const query =
      artifactType === undefined ? "" : `?artifactType=${encodeURIComponent(artifactType)}`;
    const question = {
      host,
      first: `/v2/${path}/referrers/${digest}${query}`,
      scopes: [repositoryScope(path, "pull")],
      subject: `referrers of ${path}@${digest}`,
      headers: { accept: MEDIA_TYPES.ociIndex },
      // Registries without this call say so in different ways.
      absent: [400, 404, 405],
      mostPages: MOST_PAGES,
      signal,
    };
    let found: Descriptor[] | undefined;
    for await (const page of eachPage(exchange, question, parseManifest)) {
      // Something else answers every path: a page for people, for example.
      if (page?.kind !== "index") return undefined;
      found = [...(found ?? []), ...page.manifests];
    }
    return found;
  };

  const readTag = async (
    address: ManifestAddress,
    options: RegistryCallOptions,
  ): Promise<readonly Descriptor[]> => {
    const accept = [MEDIA_TYPES.ociIndex];
    const manifest = await manifests.find(address, { ...options, accept });
    if (manifest === undefined) return [];
    const parsed = parseManifest(manifest.json);
    if (parsed?.kind === "index") return parsed.manifests;
    throw invalidAnswer(address.domain, `tag ${address.target}`, "this is no list of referrers");
  };

  /** Keeps the tag of a registry that does not know referrers. */
  const addToTag: Referrers["ensureListed"] = async (
    { domain, path },
    subjectDigest,
    referrer,
    options,
  ) => {
    const address = { domain, path, target: referrersTag(subjectDigest) };
    await inTurn(`${domain}/${path}:${address.target}`, () =>
      addInTurn(address, referrer, options),
    );
  };

  const addInTurn = async (
    address: ManifestAddress,
    referrer: Descriptor,
    options: RegistryCallOptions,
  ): Promise<void> => {
    // Nothing keeps two processes apart: look afterwards whether ours is in it.
    for (let attempt = 0; attempt < MOST_TRIES; attempt += 1) {
      const known = await readTag(address, options);
      if (known.some(({ digest }) => digest === referrer.digest)) return;
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPES.ociIndex,
          manifests: [...known, referrer].map(formatDescriptor),
        }),
      );
      await manifests.put(address, { mediaType: MEDIA_TYPES.ociIndex, bytes }, options);
    }
    const known = await readTag(address, options);
    if (known.some(({ digest }) => digest === referrer.digest)) return;
    throw new RegistryError(
      "ERR_REGISTRY_STATUS",
      `${address.domain}, ${address.path}: others write the tag ${address.target} all the time.`,
      { hint: "Try again.", retryable: true, details: { host: address.domain } },
    );
  };

  return {
    async ensureListed(repository, subjectDigest, referrer, options) {
      const found = await ask(repository, subjectDigest, undefined, options.signal);
      if (found?.some(({ digest }) => digest === referrer.digest) === true) return;
      await addToTag(repository, subjectDigest, referrer, options);
    },
    async referrers(repository, digest, { artifactType, signal } = {}) {
      checkDigest(digest);
      const { domain, path } = parseRepository(repository);
      const found =
        (await ask({ domain, path }, digest, artifactType, signal)) ??
        (await readTag({ domain, path, target: referrersTag(digest) }, { signal }));
      // Filtering is the registry's to do or to leave.
      return artifactType === undefined
        ? found
        : found.filter((descriptor) => descriptor.artifactType === artifactType);
    },
    async pushReferrer(repository, referrer, { signal } = {}) {
      const { domain, path } = parseRepository(repository);
      const parts = { domain, path };
      const empty = bytesBlob(Buffer.from("{}"));
      for (const { source } of referrer.blobs) await blobs.pushBlob(parts, source, { signal });
      await blobs.pushBlob(parts, empty, { signal });
      const layer = (blob: (typeof referrer.blobs)[number]): Descriptor => ({
        mediaType: blob.mediaType,
        digest: blob.source.digest,
        sizeBytes: blob.source.sizeBytes,
        annotations: blob.annotations,
      });
      const emptyLayer = {
        mediaType: MEDIA_TYPES.ociEmpty,
        digest: empty.digest,
        sizeBytes: empty.sizeBytes,
      };
      const layers = referrer.blobs.length === 0 ? [emptyLayer] : referrer.blobs.map(layer);
      const { mediaType, digest, sizeBytes } = referrer.subject;
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: MEDIA_TYPES.ociManifest,
          artifactType: referrer.artifactType,
          config: formatDescriptor(emptyLayer),
          layers: layers.map(formatDescriptor),
          subject: formatDescriptor({ mediaType, digest, sizeBytes }),
          ...(referrer.annotations === undefined ? {} : { annotations: referrer.annotations }),
        }),
      );
      const pushed = await manifests.put(
        { ...parts, target: digestOf(bytes) },
        { mediaType: MEDIA_TYPES.ociManifest, bytes },
        { signal },
      );
      const descriptor: Descriptor = {
        mediaType: MEDIA_TYPES.ociManifest,
        digest: pushed.digest,
        sizeBytes: pushed.sizeBytes,
        artifactType: referrer.artifactType,
        annotations: referrer.annotations,
      };
      if (!pushed.isSubjectKnown) await addToTag(parts, digest, descriptor, { signal });
      return descriptor;
    },
  };
}

/** Where a registry that does not know referrers keeps them. */
export function referrersTag(digest: string): string {
  return digest.replace(":", "-").slice(0, 128);
}
