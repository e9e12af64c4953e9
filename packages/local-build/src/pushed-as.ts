import { runtimeImage, type RegistryChoice } from "@molecule-ai/registry-mode";

/**
 * Where the digest of a runtime's image is one: undefined for the repository that its reference names,
 * as in registry mode; null for an image that was built here and pushed nowhere.
 */
export function digestRepository(
  runtime: string,
  {
    registry,
    pushPrefix,
  }: { readonly registry: RegistryChoice; readonly pushPrefix: string | undefined },
): string | null | undefined {
  if (registry.kind === "registry") return undefined;
  return pushPrefix === undefined
    ? null
    : runtimeImage(pushPrefix, runtime).replace(/:latest$/, "");
}
