import type { ImagePins } from "./image-pins.js";
import { parseImageReference } from "./image-reference.js";
import type { RegistryChoice } from "./registry.js";
import { localImageLatestTag, pinnedImage, runtimeImage } from "./runtime-image.js";
import type { RuntimeRegistry } from "./runtimes.js";

export interface SelectImageOptions {
  readonly registry: RegistryChoice;
  readonly runtimes: RuntimeRegistry;
  readonly runtime: string;
  /** Overrides everything else. */
  readonly image?: string | undefined;
  readonly pins?: ImagePins | undefined;
}

/**
 * The image a workspace is to run: the one asked for, else the pinned one, else the runtime's. For
 * a local build it is the moving local tag, until the build says which commit that is.
 *
 * An unknown runtime is refused (`ERR_RUNTIME_UNKNOWN`), with and without an image: it never
 * becomes another runtime.
 */
export function selectImage(options: SelectImageOptions): string {
  const { name } = options.runtimes.require(options.runtime);
  if (options.image !== undefined && options.image !== "") {
    parseImageReference(options.image);
    return options.image;
  }
  if (options.registry.kind === "local-build") return localImageLatestTag(name);
  const image = runtimeImage(options.registry.prefix, name);
  const digest = options.pins?.get(name);
  return digest === undefined ? image : pinnedImage(image, digest);
}
