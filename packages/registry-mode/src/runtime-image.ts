import { RegistryModeError } from "./errors.js";
import {
  asReference,
  familiarName,
  type ImageReference,
  parseImageReference,
} from "./image-reference.js";
import { requireRuntimeName } from "./runtime-name.js";

/** What images built on this machine are named under; no registry answers to it. */
export const LOCAL_IMAGE_PREFIX = "molecule-local";

const TEMPLATE = "workspace-template";
const MOVING_TAGS = new Set(["latest", "staging", "main", "dev", "edge", "nightly", "rolling"]);

/**
 * `<prefix>/workspace-template-<runtime>:latest`. Throws `ERR_IMAGE_PREFIX_INVALID` when the prefix
 * makes no valid reference.
 */
export function runtimeImage(prefix: string, runtime: string): string {
  const image = `${prefix}/${TEMPLATE}-${requireRuntimeName(runtime)}:latest`;
  try {
    parseImageReference(image);
  } catch (cause) {
    throw new RegistryModeError(
      "ERR_IMAGE_PREFIX_INVALID",
      `${JSON.stringify(prefix.slice(0, 300))} is no registry prefix: no image of ${runtime} can be named with it.`,
      {
        hint: "Set MOLECULE_IMAGE_REGISTRY to host[:port]/path without scheme, tag and trailing slash, or unset it to build images here.",
        cause,
      },
    );
  }
  return image;
}

/** Tag of the image built from a commit: `molecule-local/workspace-template-<runtime>:<first 12 of sha>`. */
export function localImageTag(runtime: string, sha: string): string {
  return `${localRepository(runtime)}:${sha.slice(0, 12)}`;
}

/** The moving tag beside it: `molecule-local/workspace-template-<runtime>:latest`. */
export function localImageLatestTag(runtime: string): string {
  return `${localRepository(runtime)}:latest`;
}

/** Repository of the images built here for `runtime`: `molecule-local/workspace-template-<runtime>`. */
export function localRepository(runtime: string): string {
  return `${LOCAL_IMAGE_PREFIX}/${TEMPLATE}-${requireRuntimeName(runtime)}`;
}

/**
 * True when the reference may mean another image tomorrow: it has no digest, and no tag or one of
 * latest, staging, main, dev, edge, nightly and rolling.
 */
export function isMovingTag(reference: ImageReference | string): boolean {
  const { tag, digest } = asReference(reference);
  if (digest !== undefined) return false;
  return tag === undefined || MOVING_TAGS.has(tag);
}

/** `<name>@<digest>`: the same repository, exactly that image. Throws `ERR_IMAGE_PINS_INVALID` for a bad digest. */
export function pinnedImage(reference: ImageReference | string, digest: string): string {
  const name = familiarName(asReference(reference));
  try {
    parseImageReference(`${name}@${digest}`);
  } catch (cause) {
    throw new RegistryModeError(
      "ERR_IMAGE_PINS_INVALID",
      `${JSON.stringify(digest.slice(0, 160))} is no digest, ${name} cannot be pinned to it.`,
      { hint: "A digest is sha256: and 64 lower-case hex digits.", cause },
    );
  }
  return `${name}@${digest}`;
}

/**
 * The runtime an image is probably of, for people to read: the end of a `workspace-template-<name>`
 * repository, else the tag, else the text itself. Never throws; not fit for decisions.
 */
export function runtimeOfImage(image: string): string {
  let reference: ImageReference;
  try {
    reference = parseImageReference(image);
  } catch {
    return image;
  }
  const repository = reference.path.slice(reference.path.lastIndexOf("/") + 1);
  if (repository.startsWith(`${TEMPLATE}-`)) return repository.slice(TEMPLATE.length + 1);
  return reference.tag ?? image;
}
