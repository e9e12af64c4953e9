import { isDigest, type ImageReference } from "@molecule-ai/registry-mode";
import { RegistryError } from "../errors.js";

/** One manifest of a repository: by digest where there is one, else by tag. */
export interface ManifestAddress {
  readonly domain: string;
  readonly path: string;
  readonly target: string;
}

/** Tag or digest of a reference; the digest wins, and `latest` stands for neither. */
export function addressOf({ domain, path, tag, digest }: ImageReference): ManifestAddress {
  return { domain, path, target: digest ?? tag ?? "latest" };
}

export function subjectOf({ path, target }: ManifestAddress): string {
  return `manifest ${path}${isDigest(target) ? "@" : ":"}${target}`;
}

export function pathOf({ path, target }: ManifestAddress): string {
  return `/v2/${path}/manifests/${target}`;
}

export function notFound(address: ManifestAddress): RegistryError {
  const subject = subjectOf(address);
  return new RegistryError(
    "ERR_REGISTRY_NOT_FOUND",
    `${address.domain}, ${subject}: there is none.`,
    {
      hint: "Check name and tag; registries also say this of private images to those they do not know.",
      details: { host: address.domain, subject, status: 404 },
    },
  );
}
