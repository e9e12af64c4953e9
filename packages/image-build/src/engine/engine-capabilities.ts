import type { BackendCapabilities } from "../backends/backend.js";

const NOTHING: BackendCapabilities = {
  load: true,
  push: false,
  multiPlatform: false,
  multiPlatformLoad: false,
  cacheImports: [],
  cacheExports: [],
  secrets: false,
  ssh: false,
  attestations: false,
  annotations: false,
  ociLayout: false,
  directoryOutput: false,
  gitContext: false,
  tarContext: true,
  namedContexts: false,
  rewriteTimestamps: false,
  check: false,
};

/**
 * What `POST /build` can do. Secrets, agents and further contexts are fetched by BuildKit from its
 * client over a session, which plain HTTP has not; a cache is exported only inside the image, which
 * is pushed where a registry is to have it.
 */
export const ENGINE_CAPABILITIES: Readonly<Record<"buildkit" | "classic", BackendCapabilities>> = {
  buildkit: {
    ...NOTHING,
    cacheImports: ["registry"],
    cacheExports: ["inline", "registry"],
    // Done by us once the image is built, so the age of the BuildKit does not matter.
    rewriteTimestamps: true,
  },
  classic: { ...NOTHING, rewriteTimestamps: true },
};
