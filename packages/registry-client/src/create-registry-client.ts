import { Agent } from "undici";
import type { RegistryClient } from "./client.js";
import { createBlobs } from "./internal/blobs.js";
import { createCopy } from "./internal/copy.js";
import { createExchange } from "./internal/exchange.js";
import { createImageConfigs } from "./internal/image-configs.js";
import { createManifests } from "./internal/manifests.js";
import { readBody } from "./internal/read-body.js";
import { createReferrers } from "./internal/referrers.js";
import { checkHost } from "./internal/registry-address.js";
import { createTags } from "./internal/tags.js";
import { resolveOptions, type RegistryClientOptions } from "./options.js";

const MAX_PING_BYTES = 64 * 1024;

/** A client for registries that speak the OCI distribution API. Dispose it to close its connections. */
export function createRegistryClient(options: RegistryClientOptions = {}): RegistryClient {
  const resolved = resolveOptions(options);
  const ownAgent = options.dispatcher === undefined ? new Agent() : undefined;
  let isClosed = false;
  const exchange = createExchange(
    options.dispatcher ?? (ownAgent as Agent),
    resolved,
    () => isClosed,
  );
  const blobs = createBlobs(exchange, resolved);
  const manifests = createManifests(exchange);
  const referrers = createReferrers(exchange, blobs, manifests);

  return {
    async ping(host, { signal } = {}) {
      const { hasCredential } = await exchange.ask(
        {
          host: checkHost(host),
          method: "GET",
          target: "/v2/",
          scopes: [],
          subject: "look whether it is a registry",
          expect: [200],
          isRepeatable: true,
          signal,
        },
        (answer, progress) => readBody(answer.body, MAX_PING_BYTES, progress),
      );
      return { authenticated: hasCredential };
    },
    resolve: manifests.resolve,
    manifest: manifests.manifest,
    imageConfig: createImageConfigs(exchange, manifests, blobs),
    putManifest: manifests.putManifest,
    deleteManifest: manifests.deleteManifest,
    hasBlob: blobs.hasBlob,
    blob: blobs.blob,
    pushBlob: blobs.pushBlob,
    mountBlob: blobs.mountBlob,
    tags: createTags(exchange),
    referrers: referrers.referrers,
    pushReferrer: referrers.pushReferrer,
    copy: createCopy(manifests, blobs, referrers),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      await ownAgent?.destroy();
    },
  };
}
