import type { RegistryClient } from "@molecule-ai/registry-client";
import { z } from "zod";
import { attachmentTag, type DigestReference } from "../digest-reference.js";
import { ImageTrustError } from "../errors.js";
import { parseEnvelope } from "./envelope.js";
import { jsonOf } from "./simple-signing.js";
import type { SignedThing, SignatureProof } from "./signed-thing.js";

/** More signatures of one image than this are an attack on whoever verifies it. */
const MOST_THINGS = 100;
const LARGEST_BLOB_BYTES = 16 * 1024 * 1024;

const ENVELOPE_TYPE = "application/vnd.dsse.envelope.v1+json";
const BUNDLE_TYPE = /^application\/vnd\.dev\.sigstore\.bundle\b/;

const LAYERS = z.looseObject({
  layers: z
    .array(
      z.looseObject({
        mediaType: z.string(),
        digest: z.string(),
        size: z.number().int().nonnegative(),
        annotations: z.record(z.string(), z.string()).nullish(),
      }),
    )
    .max(1000),
});
type Layer = z.infer<typeof LAYERS>["layers"][number];

export interface ReadSignedThingsOptions {
  readonly registry: RegistryClient;
  readonly signal?: AbortSignal | undefined;
}

/**
 * All that is stored beside an image to vouch for it: cosign's `.sig` and `.att` tags and bundles
 * among its referrers. What is not there is not an error; a registry that does not answer is.
 */
export async function readSignedThings(
  image: DigestReference,
  { registry, signal }: ReadSignedThingsOptions,
): Promise<readonly SignedThing[]> {
  const things: SignedThing[] = [];
  const blobOf = async (layer: Layer): Promise<Buffer> => {
    if (layer.size > LARGEST_BLOB_BYTES) throw tooLarge(image, layer.size);
    const chunks: Buffer[] = [];
    const stream = await registry.blob(image.repository, layer.digest, { signal });
    let length = 0;
    for await (const chunk of stream) {
      length += (chunk as Buffer).length;
      if (length > LARGEST_BLOB_BYTES) throw tooLarge(image, length);
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks);
  };

  for (const kind of ["sig", "att"] as const) {
    const origin = `${image.repository}:${attachmentTag(image.digest, kind)}`;
    if ((await registry.resolve(origin, { signal })) === undefined) continue;
    for (const layer of await layersOf(registry, origin, signal)) {
      if (things.length >= MOST_THINGS) return things;
      const thing = thingOf(layer, await blobOf(layer), origin);
      if (thing !== undefined) things.push(thing);
    }
  }
  for (const referrer of await registry.referrers(image.repository, image.digest, { signal })) {
    if (!BUNDLE_TYPE.test(referrer.artifactType ?? "")) continue;
    const origin = `${image.repository}@${referrer.digest}`;
    for (const layer of await layersOf(registry, origin, signal)) {
      if (things.length >= MOST_THINGS) return things;
      if (BUNDLE_TYPE.test(layer.mediaType)) {
        things.push({ kind: "bundle", json: jsonOf(await blobOf(layer)), origin });
      }
    }
  }
  return things;
}

async function layersOf(
  registry: RegistryClient,
  reference: string,
  signal: AbortSignal | undefined,
): Promise<readonly Layer[]> {
  const { json } = await registry.manifest(reference, { signal });
  const parsed = LAYERS.safeParse(json);
  return parsed.success ? parsed.data.layers : [];
}

function thingOf(layer: Layer, bytes: Buffer, origin: string): SignedThing | undefined {
  const annotations = layer.annotations ?? {};
  const proof: SignatureProof = {
    certificate: annotations["dev.sigstore.cosign/certificate"],
    logEntry: jsonOf(Buffer.from(annotations["dev.sigstore.cosign/bundle"] ?? "")),
  };
  if (layer.mediaType === ENVELOPE_TYPE) {
    const envelope = parseEnvelope(bytes);
    return envelope && { kind: "envelope", envelope, proof, origin };
  }
  const signature = annotations["dev.cosignproject.cosign/signature"];
  if (signature === undefined) return undefined;
  return {
    kind: "signature",
    payload: bytes,
    signature: Buffer.from(signature, "base64"),
    proof,
    origin,
  };
}

function tooLarge(image: DigestReference, size: number): ImageTrustError {
  return new ImageTrustError(
    "ERR_TRUST_MALFORMED",
    `A signature of ${image.repository}@${image.digest} has ${size} bytes, which none has.`,
    { hint: "Look at what is stored beside the image, and who may write to that repository." },
  );
}
