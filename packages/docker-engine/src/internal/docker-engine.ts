import type { Clock, Redactor } from "@molecule-ai/core";
import { parseImageReference } from "@molecule-ai/registry-mode";
import type { DockerEngine, EngineInfo } from "../engine.js";
import { encodeAuthHeader, engineAuth, serverOfHost } from "../registry-credential.js";
import type { EngineSettings } from "../settings.js";
import { createBuildCacheApi } from "./build-cache.js";
import { createContainerApi } from "./containers.js";
import { createCredentialStore } from "./credential-store.js";
import { watchEvents } from "./events.js";
import { createImageApi } from "./images.js";
import { createNetworkApi } from "./networks.js";
import type { Ping } from "./ping.js";
import { readDiskUsage, readEngineInfo } from "./system.js";
import type { Transport } from "./transport.js";
import { createVolumeApi } from "./volumes.js";

export interface DockerEngineParts {
  readonly transport: Transport;
  readonly ping: Ping;
  /** That is spoken. */
  readonly apiVersion: string;
  readonly settings: EngineSettings;
  readonly redactor: Redactor;
  readonly clock: Clock;
  readonly timeoutMs: number;
}

/** Puts the parts together; everything goes through the one transport. */
export function createDockerEngine(parts: DockerEngineParts): DockerEngine {
  const { transport, ping, redactor, clock, timeoutMs } = parts;
  const credentials = createCredentialStore(parts.settings, redactor);
  const images = createImageApi({ transport, credentials, redactor, podman: ping.podman });
  const containers = createContainerApi({ transport, images, clock, timeoutMs });
  let known: EngineInfo | undefined;

  /** What goes into a header is a secret in that form too. */
  const secretHeader = (value: unknown): string => {
    const header = encodeAuthHeader(value);
    redactor.add(header);
    return header;
  };

  return {
    endpoint: transport.endpoint,
    images,
    containers,
    volumes: createVolumeApi(transport),
    networks: createNetworkApi(transport),
    buildCache: createBuildCacheApi(transport, parts.apiVersion),
    async info(options) {
      options?.signal?.throwIfAborted();
      known ??= await readEngineInfo(transport, ping, options);
      return known;
    },
    diskUsage: (options) => readDiskUsage(transport, options),
    events: (filter, { signal }) =>
      watchEvents({ transport, containers, clock, labels: filter.labels, signal }),
    request: ({ expect, ...request }) => transport.open({ ...request, timeoutMs: null }, expect),
    async registryAuth(ref, options) {
      const { domain } = parseImageReference(ref);
      const { credential } = await credentials.find(domain, options?.signal);
      return credential === undefined ? undefined : secretHeader(engineAuth(domain, credential));
    },
    async registryConfig(options) {
      const all = [...(await credentials.all(options?.signal))].map(
        ([host, credential]) => [serverOfHost(host), engineAuth(host, credential)] as const,
      );
      return all.length === 0 ? encodeAuthHeader({}) : secretHeader(Object.fromEntries(all));
    },
    [Symbol.asyncDispose]() {
      transport.close();
      return Promise.resolve();
    },
  };
}
