export {
  formatDigestReference,
  parseDigestReference,
  type DigestReference,
} from "./digest-reference.js";
export { ImageTrustError, type ImageTrustErrorCode } from "./errors.js";
export {
  fingerprintOf,
  parseTrustPolicy,
  type TrustedIdentity,
  type TrustedKey,
  type TrustPolicy,
} from "./policy/trust-policy.js";
export {
  createCosign,
  type Cosign,
  type CosignCallOptions,
  type CosignSettings,
} from "./signing/cosign.js";
export { cosignArguments, type CosignDialect } from "./signing/cosign-arguments.js";
export { cosignEnvironment } from "./signing/cosign-environment.js";
export { resolveKey, type KeySearch } from "./signing/resolve-key.js";
export type {
  OidcIdentity,
  Signer,
  SigningOperation,
  SigningPlan,
  SigstoreInstance,
} from "./signing/signer.js";
export type { VerifiedSigner } from "./verification/verify-bundle.js";
export {
  requireVerified,
  verifyImage,
  type ImageVerification,
  type VerifiedAttestation,
  type VerifiedSignature,
  type VerifyImageOptions,
} from "./verification/verify-image.js";
