import type { JsonObject } from "@molecule-ai/core";
import type { RegistryClient } from "@molecule-ai/registry-client";
import {
  formatDigestReference,
  parseDigestReference,
  type DigestReference,
} from "../digest-reference.js";
import { ImageTrustError } from "../errors.js";
import type { TrustPolicy } from "../policy/trust-policy.js";
import { readSignedThings } from "./read-signed-things.js";
import { parseSimpleSigning } from "./simple-signing.js";
import type { SignedThing } from "./signed-thing.js";
import { IN_TOTO_PAYLOAD_TYPE, parseStatement } from "./statement.js";
import { toBundles, type ReadableBundle } from "./to-bundles.js";
import { verifyBundle, type VerifiedSigner } from "./verify-bundle.js";

/** A signature that counts: somebody trusted signed exactly this digest. */
export interface VerifiedSignature {
  readonly signer: VerifiedSigner;
  readonly origin: string;
}

/** Something that somebody trusted says of exactly this digest. */
export interface VerifiedAttestation {
  readonly signer: VerifiedSigner;
  readonly predicateType: string;
  readonly predicate: JsonObject;
  readonly origin: string;
}

export interface ImageVerification {
  /** `repository@sha256:…`. */
  readonly reference: string;
  readonly signatures: readonly VerifiedSignature[];
  readonly attestations: readonly VerifiedAttestation[];
  /** What was there and does not count, with why. */
  readonly rejected: readonly { readonly origin: string; readonly reason: string }[];
}

export interface VerifyImageOptions {
  readonly registry: RegistryClient;
  readonly policy: TrustPolicy;
  readonly signal?: AbortSignal | undefined;
}

/** What cosign 3 says of an image it signs, as a statement without content. */
const COSIGN_SIGN_PREDICATE = "https://sigstore.dev/cosign/sign/v1";

/**
 * Reads what is stored beside an image and keeps what the policy trusts, in this process, without
 * cosign. `reference` must name a digest (`ERR_TRUST_REFERENCE`). Finding nothing that counts is a
 * result, not an error: see {@link requireVerified}. A registry that does not answer throws.
 */
export async function verifyImage(
  reference: string,
  { registry, policy, signal }: VerifyImageOptions,
): Promise<ImageVerification> {
  const image = parseDigestReference(reference);
  const signatures: VerifiedSignature[] = [];
  const attestations: VerifiedAttestation[] = [];
  const rejected: { origin: string; reason: string }[] = [];
  for (const thing of await readSignedThings(image, { registry, signal })) {
    const bundles = toBundles(thing);
    if (bundles.length === 0) rejected.push({ origin: thing.origin, reason: "it cannot be read" });
    for (const readable of bundles) {
      const verdict = verifyBundle(readable, policy);
      if (verdict.kind === "rejected") {
        rejected.push({ origin: thing.origin, reason: verdict.reason });
        continue;
      }
      const said = whatItSays(thing, readable, image);
      const { signer } = verdict;
      if (said.kind === "nothing") rejected.push({ origin: thing.origin, reason: said.reason });
      else if (said.kind === "signature") signatures.push({ signer, origin: thing.origin });
      else {
        const { predicateType, predicate } = said;
        attestations.push({ signer, predicateType, predicate, origin: thing.origin });
      }
    }
  }
  return { reference: formatDigestReference(image), signatures, attestations, rejected };
}

/** Throws `ERR_TRUST_UNVERIFIED`, with all that was found and why it does not count, unless somebody trusted signed. */
export function requireVerified(verification: ImageVerification): ImageVerification {
  if (verification.signatures.length > 0) return verification;
  const { reference, rejected } = verification;
  const [first] = rejected;
  const why =
    first === undefined
      ? "nothing is signed there"
      : `${rejected.length === 1 ? "one signature does" : `${rejected.length} signatures do`} not count: ${first.reason}`;
  throw new ImageTrustError("ERR_TRUST_UNVERIFIED", `${reference} is not trusted: ${why}.`, {
    hint: "Sign it with a key or identity of the trust policy, or add the signer to the policy.",
    details: { reference, rejected: rejected.map(({ origin, reason }) => ({ origin, reason })) },
  });
}

type Said =
  | { readonly kind: "signature" }
  | {
      readonly kind: "attestation";
      readonly predicateType: string;
      readonly predicate: JsonObject;
    }
  | { readonly kind: "nothing"; readonly reason: string };

/** Genuine is not enough: a signature of another image, copied here, is genuine too. */
function whatItSays(thing: SignedThing, readable: ReadableBundle, image: DigestReference): Said {
  try {
    if (thing.kind === "signature") {
      const { digest } = parseSimpleSigning(thing.payload);
      return digest === image.digest ? { kind: "signature" } : ofAnother(digest);
    }
    const { content } = readable.bundle;
    if (content.$case !== "dsseEnvelope") {
      return { kind: "nothing", reason: "it signs bytes that are not here" };
    }
    const { payloadType, payload } = content.dsseEnvelope;
    if (payloadType !== IN_TOTO_PAYLOAD_TYPE) {
      return { kind: "nothing", reason: `it is a ${payloadType.slice(0, 100)}` };
    }
    const { subjects, predicateType, predicate } = parseStatement(payload);
    if (!subjects.some(({ digest }) => digest === image.digest)) {
      return ofAnother(subjects[0]?.digest ?? "nothing");
    }
    return predicateType === COSIGN_SIGN_PREDICATE
      ? { kind: "signature" }
      : { kind: "attestation", predicateType, predicate };
  } catch (error) {
    if (error instanceof ImageTrustError) return { kind: "nothing", reason: error.message };
    throw error;
  }
}

function ofAnother(digest: string): Said {
  return { kind: "nothing", reason: `it was made for ${digest.slice(0, 80)}` };
}
