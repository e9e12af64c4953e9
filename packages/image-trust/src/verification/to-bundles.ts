import { createHash, X509Certificate } from "node:crypto";
import {
  bundleFromJSON,
  toDSSEBundle,
  toMessageSignatureBundle,
  type Bundle,
  type SerializedBundle,
} from "@sigstore/bundle";
import { readLogEntry } from "./log-entry.js";
import type { SignatureProof, SignedThing } from "./signed-thing.js";

/** A bundle and the bytes it signs. */
export interface ReadableBundle {
  readonly bundle: Bundle;
  /** What the signature is over; undefined for an envelope, which carries it. */
  readonly payload: Buffer | undefined;
}

/**
 * Whatever was found, as the bundles of sigstore, so that one verifier judges all of it: one bundle
 * per signature. None for what cannot be read.
 */
export function toBundles(thing: SignedThing): readonly ReadableBundle[] {
  try {
    switch (thing.kind) {
      case "bundle": {
        const bundle = bundleFromJSON(thing.json as SerializedBundle);
        return bundle.content.$case === "dsseEnvelope" &&
          bundle.content.dsseEnvelope.signatures.length !== 1
          ? []
          : [{ bundle, payload: undefined }];
      }
      case "signature": {
        const payload = Buffer.from(thing.payload);
        const bundle = toMessageSignatureBundle({
          digest: createHash("sha256").update(payload).digest(),
          signature: Buffer.from(thing.signature),
          ...materialOf(thing.proof),
        });
        return [{ bundle: withLogEntry(bundle, thing.proof), payload }];
      }
      case "envelope":
        return thing.envelope.signatures.map((signature) => ({
          bundle: withLogEntry(
            toDSSEBundle({
              artifact: Buffer.from(thing.envelope.payload),
              artifactType: thing.envelope.payloadType,
              signature: Buffer.from(signature),
              ...materialOf(thing.proof),
            }),
            thing.proof,
          ),
          payload: undefined,
        }));
    }
  } catch {
    // The library's own words for a certificate or a bundle that is none; it counts as not there.
    return [];
  }
}

function materialOf({ certificate }: SignatureProof): { certificate?: Buffer; keyHint?: string } {
  return certificate === undefined
    ? { keyHint: "" }
    : { certificate: new X509Certificate(certificate).raw };
}

function withLogEntry(bundle: Bundle, proof: SignatureProof): Bundle {
  const entry = readLogEntry(proof.logEntry);
  if (entry === undefined) return bundle;
  return {
    ...bundle,
    verificationMaterial: { ...bundle.verificationMaterial, tlogEntries: [entry] },
  };
}
