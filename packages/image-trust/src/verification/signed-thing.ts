/** Something signed that was found beside an image; nothing in it is believed yet. */
export type SignedThing =
  /** A signature over a payload that names a digest. */
  | {
      readonly kind: "signature";
      readonly payload: Uint8Array;
      readonly signature: Uint8Array;
      readonly proof: SignatureProof;
      /** Where it was found, for people. */
      readonly origin: string;
    }
  /** A DSSE envelope around a statement. */
  | {
      readonly kind: "envelope";
      readonly envelope: Envelope;
      readonly proof: SignatureProof;
      readonly origin: string;
    }
  /** A sigstore bundle, as newer cosigns store it. */
  | { readonly kind: "bundle"; readonly json: unknown; readonly origin: string };

export interface Envelope {
  readonly payloadType: string;
  readonly payload: Uint8Array;
  readonly signatures: readonly Uint8Array[];
}

/** What cosign puts beside a signature of an identity; empty for one of a key. */
export interface SignatureProof {
  /** PEM. */
  readonly certificate: string | undefined;
  /** The log's promise, as cosign writes it: `SignedEntryTimestamp` and `Payload`. */
  readonly logEntry: unknown;
}
