import { parseImageReference, type ImageReference } from "@molecule-ai/registry-mode";
import { splitDigest } from "./digest-text.js";
import { normalizeRegistryHost } from "./registry-host.js";

/**
 * The digest that an engine knows a reference by, from its `repository@digest` entries; undefined
 * when none is of that repository. Docker Hub's names all mean the same, the short one included.
 */
export function localDigestOf(
  reference: string,
  repoDigests: readonly string[],
): string | undefined {
  const wanted = nameOf(splitDigest(reference).name);
  if (wanted === undefined) return undefined;
  for (const entry of repoDigests) {
    const { name, digest } = splitDigest(entry);
    const found = nameOf(name);
    if (digest === undefined || found?.path !== wanted.path) continue;
    if (normalizeRegistryHost(found.domain) === normalizeRegistryHost(wanted.domain)) return digest;
  }
  return undefined;
}

/** Undefined for what is no reference: `<none>`. */
function nameOf(text: string): ImageReference | undefined {
  try {
    return parseImageReference(text);
  } catch {
    return undefined;
  }
}
