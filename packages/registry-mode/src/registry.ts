import { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";
import { requireRuntimeName } from "./runtime-name.js";

/** Prefix of the images when a registry is used and none is named. */
export const DEFAULT_REGISTRY_PREFIX = "ghcr.io/molecule-ai";

/** Where images come from: pulled from a registry, or built here from the template repositories. */
export type RegistryChoice =
  | { readonly kind: "registry"; readonly prefix: string }
  | { readonly kind: "local-build"; readonly repositoryPrefix: string };

export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Decides where images come from. `MOLECULE_IMAGE_REGISTRY` set to anything but the empty string
 * means that registry, kept character by character: a value that is no usable prefix fails with
 * `ERR_IMAGE_PREFIX_INVALID` once an image is named, and never falls back to building.
 */
export function resolveRegistry(env: Environment): RegistryChoice {
  const prefix = env["MOLECULE_IMAGE_REGISTRY"];
  if (prefix !== undefined && prefix !== "") return { kind: "registry", prefix };
  const repositoryPrefix = env["MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX"];
  return {
    kind: "local-build",
    repositoryPrefix:
      repositoryPrefix === undefined || repositoryPrefix === ""
        ? DEFAULT_TEMPLATE_REPOSITORY_PREFIX
        : repositoryPrefix,
  };
}

/** The prefix images have in a registry: `MOLECULE_IMAGE_REGISTRY`, else `ghcr.io/molecule-ai`. */
export function registryPrefixFromEnv(env: Environment): string {
  const choice = resolveRegistry(env);
  return choice.kind === "registry" ? choice.prefix : DEFAULT_REGISTRY_PREFIX;
}

/** Address of the template repository of `runtime`: prefix and name, nothing between. */
export function templateRepositoryUrl(repositoryPrefix: string, runtime: string): string {
  return `${repositoryPrefix}${requireRuntimeName(runtime)}`;
}
