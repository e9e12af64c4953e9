import { closestName } from "@molecule-ai/registry-mode";
import { cacheSettingsError } from "./cache-settings-error.js";

/** Where a build keeps its cache beside the builder's own: nowhere, on disk, in a registry, or both. */
export type CacheMode = "off" | "local" | "shared" | "hybrid";

const MODES: readonly CacheMode[] = ["off", "local", "shared", "hybrid"];

/** Empty means `off`. Throws `ERR_BUILD_CACHE_SETTINGS` for any other word, naming the closest. */
export function parseCacheMode(text: string): CacheMode {
  const word = text.trim();
  if (word === "") return "off";
  const mode = MODES.find((known) => known === word);
  if (mode !== undefined) return mode;
  const closest = closestName(word, MODES);
  throw cacheSettingsError(
    `${JSON.stringify(word.slice(0, 80))} is no cache mode.`,
    `${closest === undefined ? "Use" : `Did you mean ${closest}? The modes are`} off, local, shared or hybrid.`,
  );
}
