import { createBackendResolver } from "./backends/backend-resolver.js";
import { openBuildx } from "./backends/open-buildx.js";
import { missingCapabilities } from "./backends/requirements.js";
import type { BuildSettings } from "./backends/settings.js";
import type { Buildx } from "./buildx/buildx.js";
import type { BackendResolver } from "./chosen-backend.js";
import { createImageBuilder, type ImageBuilderOptions } from "./create-image-builder.js";
import { ENGINE_CAPABILITIES } from "./engine/engine-capabilities.js";
import type { ImageBuilder } from "./image-builder.js";

export interface OpenImageBuilderOptions extends Pick<
  ImageBuilderOptions,
  "engine" | "clock" | "redactor" | "registryAccess" | "tailLines"
> {
  readonly settings: BuildSettings;
  /** Whose builders they are, where builders are made. */
  readonly repositoryId: string;
}

/**
 * A builder as the settings want it. What they name is used; where they name nothing, the engine
 * builds what it can by itself, and only for what it cannot the machine is searched for another way.
 * Touches nothing before the first build. Its builds throw `ERR_BUILD_BACKEND` when there is no way.
 */
export function openImageBuilder(options: OpenImageBuilderOptions): ImageBuilder {
  const { engine, settings, clock } = options;
  const { backend, remote, builder, concurrency } = settings;
  const namesNothing = backend === "auto" && remote === undefined && builder === undefined;

  let opened: Promise<Buildx | undefined> | undefined;
  const buildx = (signal: AbortSignal): Promise<Buildx | undefined> => {
    const opening = (opened ??= openBuildx({ settings, endpoint: engine.endpoint, signal }));
    opening
      // What is not there may be installed by the next build, and an abort was only of this one.
      .then((found) => found === undefined && (opened = undefined))
      .catch(() => (opened = undefined));
    return opening;
  };

  let known: { readonly buildx: Buildx | undefined; readonly resolve: BackendResolver } | undefined;
  const resolve: BackendResolver = async ({ need, signal }) => {
    const suffices = missingCapabilities(need, ENGINE_CAPABILITIES.buildkit).length === 0;
    if (namesNothing && suffices) return "engine";
    const { repositoryId } = options;
    const found = await buildx(signal);
    if (known === undefined || known.buildx !== found) {
      const sources = { settings, engine, buildx: found, repositoryId, clock };
      known = { buildx: found, resolve: createBackendResolver(sources) };
    }
    return known.resolve({ need, signal });
  };
  return createImageBuilder({ ...options, concurrency, backend: resolve, buildx });
}
