import { parseImageReference, parsePlatform } from "@molecule-ai/registry-mode";
import type { RegistryClient } from "../client.js";
import { invalidAnswer, tooLarge, wrongArgument } from "../errors.js";
import { parseImageConfig } from "../image-config.js";
import { parseManifest, type Descriptor } from "../manifest.js";
import type { Blobs } from "./blobs.js";
import { choosePlatform } from "./choose-platform.js";
import type { Exchange } from "./exchange.js";
import { addressOf, notFound, subjectOf, type ManifestAddress } from "./manifest-address.js";
import type { Manifests } from "./manifests.js";
import { readBody } from "./read-body.js";

const MAX_CONFIG_BYTES = 8 * 1024 * 1024;

export function createImageConfigs(
  exchange: Exchange,
  manifests: Manifests,
  blobs: Blobs,
): RegistryClient["imageConfig"] {
  const readConfig = async (
    { domain, path }: ManifestAddress,
    { digest, sizeBytes }: Descriptor,
    signal: AbortSignal | undefined,
  ): Promise<unknown> => {
    if (sizeBytes > MAX_CONFIG_BYTES) {
      throw tooLarge(domain, `configuration ${digest}`, MAX_CONFIG_BYTES);
    }
    const bytes = await exchange.repeat(signal, async () => {
      const body = await blobs.blob({ domain, path }, digest, { sizeBytes, signal });
      return readBody(body, MAX_CONFIG_BYTES);
    });
    try {
      return JSON.parse(bytes?.toString("utf8") ?? "");
    } catch {
      return undefined;
    }
  };

  return async (reference, { platform, signal } = {}) => {
    const wanted = platform === undefined ? undefined : parsePlatform(platform);
    if (platform !== undefined && wanted === undefined) {
      throw wrongArgument(
        `${JSON.stringify(platform.slice(0, 80))} is no platform.`,
        "Write os/arch or os/arch/variant, for example linux/amd64.",
      );
    }
    let address = addressOf(parseImageReference(reference));
    let found = await manifests.manifest(reference, { signal });
    let parsed = parseManifest(found.json);
    if (parsed?.kind === "index") {
      const part = choosePlatform(parsed.manifests, wanted, reference);
      address = { ...address, target: part.digest };
      const manifest = await manifests.find(address, { signal });
      if (manifest === undefined) throw notFound(address);
      found = manifest;
      parsed = parseManifest(found.json);
    }
    const subject = subjectOf(address);
    if (parsed?.kind !== "image") {
      throw invalidAnswer(address.domain, subject, "this is no image that has a configuration");
    }
    const config = parseImageConfig(await readConfig(address, parsed.config, signal));
    if (config === undefined) {
      throw invalidAnswer(address.domain, subject, "its configuration is not an image's");
    }
    return { manifestDigest: found.digest, digest: parsed.config.digest, ...config };
  };
}
