import type { Clock } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { RegistryClient } from "@molecule-ai/registry-client";
import { formatImageReference } from "@molecule-ai/registry-mode";
import { resolvePublishedDigest } from "./digests.js";
import type { BuildInstance, PublishedImage } from "./published.js";
import { pushTags, type PushTagsOptions } from "./push.js";
import {
  collectRemoteTags,
  isLocalTarget,
  providerOf,
  referencesOf,
  type PublishStep,
} from "./registry-target.js";

export interface PublishOptions extends Omit<PushTagsOptions, "engine" | "tags" | "provider"> {
  readonly engine: { readonly images: Pick<DockerEngine["images"], "push" | "inspect"> };
  /** Asks what the registries have, with the same credentials. */
  readonly registry: Pick<RegistryClient, "resolve">;
  readonly steps: readonly PublishStep[];
  /** Stands in every record. */
  readonly buildInstance?: BuildInstance | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * Pushes everything that was built into the engine for a registry, proves each digest, and resolves
 * to the records. Throws `PushError`, which can be given back as `done` to go on, and
 * `ERR_PUBLISH_DIGEST`.
 */
export async function publishImages(options: PublishOptions): Promise<readonly PublishedImage[]> {
  const { steps, engine, registry, clock, signal, buildInstance = {} } = options;
  const targets = steps
    .filter(({ load, push }) => load && !push)
    .flatMap(({ registries }) => registries)
    .filter((target) => !isLocalTarget(target));
  const records = new Map<string, PublishedImage>();
  for (const target of targets) {
    for (const reference of referencesOf(target)) {
      const ref = formatImageReference(reference);
      records.set(ref, {
        host: reference.domain,
        path: reference.path,
        tag: reference.tag ?? "latest",
        provider: providerOf(target),
        ref,
        credentialRef: target.credentials,
        buildInstance,
      });
    }
  }
  const providers = new Map([...records.values()].map(({ host, provider }) => [host, provider]));
  const pushed = await pushTags({
    ...options,
    tags: collectRemoteTags(steps),
    provider: (host) => providers.get(host) ?? "generic",
  });
  const published: PublishedImage[] = [];
  for (const { tag, digest: said } of pushed) {
    const record = records.get(tag);
    if (record === undefined) continue;
    const { digest, sources } = await resolvePublishedDigest({
      tag,
      pushed: said,
      registry,
      engine,
      clock,
      signal,
    });
    published.push({
      ...record,
      digest,
      ...(sources.includes("registry") ? { observedDigest: digest, observedBy: "registry" } : {}),
    });
  }
  return published;
}
