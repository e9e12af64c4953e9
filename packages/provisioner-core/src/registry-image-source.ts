import type { Clock } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  selectImage,
  type ImagePins,
  type ImageSource,
  type RuntimeRegistry,
} from "@molecule-ai/registry-mode";
import { ImageSourceError } from "./errors.js";
import { createImagePuller } from "./image-puller.js";

export interface RegistryImageSourceOptions {
  readonly engine: DockerEngine;
  /** `host[:port]/path` before `/workspace-template-<runtime>`. */
  readonly prefix: string;
  readonly runtimes: RuntimeRegistry;
  readonly pins?: ImagePins | undefined;
  readonly platform?: string | undefined;
  readonly clock?: Clock | undefined;
}

/**
 * The image source of pull mode: `<prefix>/workspace-template-<runtime>`, `latest` or pinned. Throws
 * what the runtime registry throws for a runtime that is not known, `ERR_IMAGE_REF_UNSUPPORTED` for
 * a template ref, and what {@link createImagePuller} throws.
 */
export function createRegistryImageSource(options: RegistryImageSourceOptions): ImageSource {
  const { prefix, runtimes, pins } = options;
  const ensureImage = createImagePuller(options);
  return {
    async ensure(runtime, request = {}) {
      const image = selectImage({
        registry: { kind: "registry", prefix },
        runtimes,
        runtime,
        pins,
      });
      if (request.ref !== undefined && request.ref !== "") {
        throw new ImageSourceError(
          "ERR_IMAGE_REF_UNSUPPORTED",
          `Template ref ${request.ref} was asked for, but images of ${runtime} are pulled, not built.`,
          {
            hint: "Unset MOLECULE_IMAGE_REGISTRY to build from the template, or leave the ref out.",
          },
        );
      }
      return ensureImage(image, { ...request, runtime });
    },
  };
}
