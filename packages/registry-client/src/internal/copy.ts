import { formatImageReference, parseImageReference } from "@molecule-ai/registry-mode";
import type { CopyOptions, FetchedManifest, RegistryClient } from "../client.js";
import { invalidAnswer, RegistryError } from "../errors.js";
import { parseManifest, type Descriptor, type ParsedManifest } from "../manifest.js";
import type { Blobs } from "./blobs.js";
import { forEach } from "./each.js";
import { addressOf, notFound } from "./manifest-address.js";
import type { Manifests } from "./manifests.js";
import type { Referrers } from "./referrers.js";

const BLOBS_AT_ONCE = 3;
/** An index of indexes is allowed and rare; a circle is neither. */
const DEEPEST = 4;
/** Layers that registries do not hand out, by the words of their media types. */
const FOREIGN = /\.foreign\.|\.nondistributable\./;

interface Place {
  readonly domain: string;
  readonly path: string;
}

interface Copying extends Pick<CopyOptions, "onEvent" | "signal"> {
  readonly from: Place;
  readonly to: Place;
  /** Digests of what is at the target for sure. */
  readonly done: Set<string>;
}

export function createCopy(
  manifests: Manifests,
  blobs: Blobs,
  referrers: Referrers,
): RegistryClient["copy"] {
  /** Brings everything that a manifest refers to to the target, but not the manifest itself. */
  const copyContent = async (
    copying: Copying,
    parsed: ParsedManifest,
    depth: number,
  ): Promise<void> => {
    if (parsed.kind === "index") {
      for (const { digest } of parsed.manifests) await copyManifest(copying, digest, depth + 1);
      return;
    }
    const own = [parsed.config, ...parsed.layers].filter((blob) => !isForeign(blob));
    const wanted = own.filter(({ digest }) => !copying.done.has(digest));
    const byDigest = new Map(wanted.map((blob) => [blob.digest, blob]));
    const { signal } = copying;
    await forEach(byDigest.values(), { atOnce: BLOBS_AT_ONCE, signal }, async (blob, ownSignal) => {
      await copyBlob({ ...copying, signal: ownSignal }, blob);
      copying.done.add(blob.digest);
    });
  };

  const copyManifest = async (copying: Copying, digest: string, depth: number): Promise<void> => {
    if (copying.done.has(digest)) return;
    const { from, to, signal, onEvent } = copying;
    const manifest = await read(from, digest, signal);
    await copyContent(copying, parse(from, manifest, depth), depth);
    await manifests.put({ ...to, target: digest }, manifest, { signal });
    copying.done.add(digest);
    onEvent?.({ type: "copy.manifest", digest, mediaType: manifest.mediaType });
  };

  const copyBlob = async (
    { from, to, signal, onEvent }: Copying,
    { digest, sizeBytes }: Descriptor,
  ): Promise<void> => {
    const event = { type: "copy.blob", digest, sizeBytes } as const;
    if (await blobs.hasBlob(to, digest, { signal })) {
      onEvent?.({ ...event, status: "exists", currentBytes: 0 });
      return;
    }
    if (from.domain === to.domain && (await blobs.mountBlob(from, to, digest, { signal }))) {
      onEvent?.({ ...event, status: "mounted", currentBytes: 0 });
      return;
    }
    const source = {
      digest,
      sizeBytes,
      open: (options: { readonly signal?: AbortSignal | undefined }) =>
        blobs.blob(from, digest, { ...options, sizeBytes }),
    };
    await blobs.pushBlob(to, source, {
      signal,
      onProgress: (currentBytes) => onEvent?.({ ...event, status: "copying", currentBytes }),
    });
    onEvent?.({ ...event, status: "copied", currentBytes: sizeBytes });
  };

  /** What refers to an image or to a part of it, and what refers to that. */
  const copyReferrers = async (copying: Copying, subjects: readonly string[]): Promise<void> => {
    const seen = new Set<string>();
    const queue = [...subjects];
    for (let subject = queue.shift(); subject !== undefined; subject = queue.shift()) {
      if (seen.has(subject)) continue;
      seen.add(subject);
      const { from, to, signal } = copying;
      for (const referrer of await referrers.referrers(from, subject, { signal })) {
        await copyManifest(copying, referrer.digest, 0);
        await referrers.ensureListed(to, subject, referrer, { signal });
        queue.push(referrer.digest);
      }
    }
  };

  const read = async (
    place: Place,
    target: string,
    signal: AbortSignal | undefined,
  ): Promise<FetchedManifest> => {
    const found = await manifests.find({ ...place, target }, { signal });
    if (found === undefined) throw notFound({ ...place, target });
    return found;
  };

  return async (sourceText, targetText, { onEvent, signal, referrers: withReferrers } = {}) => {
    const source = parseImageReference(sourceText);
    const target = parseImageReference(targetText);
    const from = { domain: source.domain, path: source.path };
    const to = { domain: target.domain, path: target.path };
    const manifest = await read(from, addressOf(source).target, signal);
    const { digest, mediaType, sizeBytes } = manifest;
    if (target.digest !== undefined && target.digest !== digest) {
      throw new RegistryError(
        "ERR_REGISTRY_DIGEST",
        `${formatImageReference(source)} is ${digest}, not the ${target.digest} of the target.`,
        { hint: "Copy by that digest, or name a tag alone as the target." },
      );
    }
    const copying: Copying = { from, to, onEvent, signal, done: new Set() };
    const parsed = parse(from, manifest, 0);
    await copyContent(copying, parsed, 0);
    await manifests.put({ ...to, target: digest }, manifest, { signal });
    onEvent?.({ type: "copy.manifest", digest, mediaType });
    if (withReferrers === true) {
      const parts = parsed.kind === "index" ? parsed.manifests.map((part) => part.digest) : [];
      await copyReferrers(copying, [digest, ...parts]);
    }
    // Last, so that whoever sees the tag finds everything behind it.
    if (target.tag !== undefined)
      await manifests.put({ ...to, target: target.tag }, manifest, { signal });
    return { digest, mediaType, sizeBytes };
  };
}

function parse({ domain, path }: Place, manifest: FetchedManifest, depth: number): ParsedManifest {
  const subject = `manifest ${path}@${manifest.digest}`;
  if (depth > DEEPEST) throw invalidAnswer(domain, subject, "indexes are nested too deep");
  const parsed = parseManifest(manifest.json);
  if (parsed !== undefined) return parsed;
  throw new RegistryError(
    "ERR_REGISTRY_UNSUPPORTED",
    `${domain}, ${subject}: a manifest of the kind ${manifest.mediaType} cannot be copied.`,
    { hint: "Pull the image and push it again with a newer program." },
  );
}

function isForeign({ mediaType, urls }: Descriptor): boolean {
  return FOREIGN.test(mediaType) && (urls?.length ?? 0) > 0;
}
