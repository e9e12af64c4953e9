import { ProvisionerError } from "@molecule-ai/core";

export type ImageTrustErrorCode =
  /** A reference without a digest, or one that is none. */
  | "ERR_TRUST_REFERENCE"
  /** The key, KMS or hardware token that should sign cannot be used as it is named. */
  | "ERR_TRUST_SIGNER"
  /** There is no cosign program. */
  | "ERR_TRUST_COSIGN_MISSING"
  /** cosign did not do what it was asked. */
  | "ERR_TRUST_COSIGN_FAILED"
  /** A trust or admission policy that means nothing. */
  | "ERR_TRUST_POLICY"
  /** Nothing trusted signed the image. */
  | "ERR_TRUST_UNVERIFIED"
  /** A signature, an attestation or a statement that cannot be read. */
  | "ERR_TRUST_MALFORMED"
  /** An image cannot be taken apart to be compared. */
  | "ERR_TRUST_IMAGE_UNREADABLE"
  /** A rule of the admission policy refuses the image. */
  | "ERR_TRUST_REFUSED";

/** Something about trust in an image failed. */
export class ImageTrustError extends ProvisionerError<ImageTrustErrorCode> {}
