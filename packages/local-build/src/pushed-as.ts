import type { RegistryChoice } from "@molecule-ai/registry-mode";
import { createPushRecords } from "./push-record.js";
import type { LocalBuildSettings } from "./settings.js";

/**
 * What an image of a runtime is called in the registry it was pushed to, `repository@sha256:…`; null for
 * one that was built here and pushed nowhere, undefined in registry mode, where its own name says so.
 */
export async function pushedAs(
  { runtime, imageId }: { readonly runtime: string; readonly imageId: string },
  {
    registry,
    cacheDirectory,
    pushPrefix,
  }: { readonly registry: RegistryChoice } & Pick<
    LocalBuildSettings,
    "cacheDirectory" | "pushPrefix"
  >,
): Promise<string | null | undefined> {
  if (registry.kind === "registry") return undefined;
  const records = await createPushRecords(cacheDirectory).read(runtime);
  const found = [...records].filter(([, pushed]) => pushed.imageId === imageId);
  // The registry of now, when there was another one before.
  const [reference, pushed] =
    found.findLast(([tag]) => tag.startsWith(`${pushPrefix ?? ""}/`)) ?? found.at(-1) ?? [];
  if (reference === undefined || pushed === undefined) return null;
  return `${reference.slice(0, reference.lastIndexOf(":"))}@${pushed.digest}`;
}
