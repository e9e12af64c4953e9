import { RegistryModeError } from "./errors.js";
import { isDigest } from "./image-reference.js";
import type { Environment } from "./registry.js";
import type { RuntimeRegistry } from "./runtimes.js";

/** Digest by runtime name. */
export type ImagePins = ReadonlyMap<string, string>;

/**
 * Reads `MOLECULE_IMAGE_PINS`: `runtime=sha256:…` entries separated by commas. With
 * `WORKSPACE_IMAGE_LOCAL_OVERRIDE=1` there are none. Throws `ERR_IMAGE_PINS_INVALID`, and what
 * {@link RuntimeRegistry.require} throws: a pin that pins nothing is never passed over.
 */
export function imagePinsFromEnv(env: Environment, runtimes: RuntimeRegistry): ImagePins {
  const pins = new Map<string, string>();
  if (env["WORKSPACE_IMAGE_LOCAL_OVERRIDE"] === "1") return pins;
  for (const entry of (env["MOLECULE_IMAGE_PINS"] ?? "").split(",")) {
    const text = entry.trim();
    if (text === "") continue;
    const equals = text.indexOf("=");
    if (equals === -1) throw invalidPins(`${quote(text)} is not runtime=digest`);
    const { name } = runtimes.require(text.slice(0, equals).trim());
    const digest = text.slice(equals + 1).trim();
    if (!isDigest(digest)) throw invalidPins(`${name} is pinned to ${quote(digest)}`);
    if (pins.has(name)) throw invalidPins(`${name} is pinned twice`);
    pins.set(name, digest);
  }
  return pins;
}

function invalidPins(reason: string): RegistryModeError {
  return new RegistryModeError(
    "ERR_IMAGE_PINS_INVALID",
    `MOLECULE_IMAGE_PINS cannot be read: ${reason}.`,
    { hint: "Write runtime=sha256:<64 hex digits>, entries separated by commas." },
  );
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 160));
}
