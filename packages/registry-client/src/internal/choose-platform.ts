import { formatPlatform, type Platform } from "@molecule-ai/registry-mode";
import { RegistryError } from "../errors.js";
import type { Descriptor } from "../manifest.js";

/** The part of an index for a platform, or its only one. Throws `ERR_REGISTRY_PLATFORM`. */
export function choosePlatform(
  manifests: readonly Descriptor[],
  wanted: Platform | undefined,
  reference: string,
): Descriptor {
  // BuildKit keeps attestations beside the images, for a platform that there is not.
  const images = manifests.filter(({ platform }) => platform?.os !== "unknown");
  const fitting =
    wanted === undefined ? images : images.filter(({ platform }) => fits(platform, wanted));
  const [first, second] = fitting;
  if (first !== undefined && (second === undefined || wanted !== undefined)) return first;
  const there = images
    .slice(0, 50)
    .map(({ platform }) => (platform === undefined ? "unnamed" : formatPlatform(platform)))
    .join(", ");
  throw new RegistryError(
    "ERR_REGISTRY_PLATFORM",
    wanted === undefined
      ? `${reference} has several platforms: ${there}.`
      : `${reference} is not there for ${formatPlatform(wanted)}.`,
    {
      hint: `Name one of its platforms: ${there === "" ? "it has none" : there}.`,
      details: { reference },
    },
  );
}

function fits(platform: Platform | undefined, wanted: Platform): boolean {
  return (
    platform?.os === wanted.os &&
    platform.arch === wanted.arch &&
    (wanted.variant === undefined || platform.variant === wanted.variant)
  );
}
