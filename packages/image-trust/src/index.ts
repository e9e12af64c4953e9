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
export type { ProvenanceFacts } from "./provenance/build-facts.js";
export { createProvenanceStore, type ProvenanceStore } from "./provenance/provenance-store.js";
export { provenanceFault, readProvenance, type Provenance } from "./provenance/read-provenance.js";
export { BUILD_TYPE, SLSA_PREDICATE_TYPE, slsaStatement } from "./provenance/slsa-statement.js";
export type { Statement } from "./verification/statement.js";
export {
  NO_ADMISSION_POLICY,
  parseAdmissionPolicy,
  type AdmissionPolicy,
  type AdmissionRules,
  type Effect,
  type Severity,
} from "./admission/admission-policy.js";
export {
  admit,
  requireAdmitted,
  type AdmissionFinding,
  type AdmissionRequest,
  type AdmissionRuleName,
  type AdmissionVerdict,
} from "./admission/admit.js";
export type { ImageFacts } from "./admission/image-facts.js";
export {
  compareImages,
  type ConfigDifference,
  type FileDifference,
  type FileDifferenceKind,
  type ImageComparison,
  type LayerDifference,
} from "./rebuild/compare-images.js";
export type { ImageContents, LayerContents, LayerEntry } from "./rebuild/image-contents.js";
export { readImage, type ReadImageOptions } from "./rebuild/read-image.js";
export type { ContentsLimits } from "./rebuild/read-layer.js";
export {
  rebuildAndCompare,
  rebuildTag,
  type RebuildEvent,
  type RebuildReport,
  type RebuildRequest,
  type RebuildSide,
} from "./rebuild/rebuild.js";
export {
  describeTrustLevel,
  reaches,
  TRUST_LEVELS,
  type RebuildCheck,
  type TrustLevel,
} from "./rebuild/trust-level.js";
export { readPolicyFile } from "./admission/read-policy-file.js";
export { trustSettingsFromEnv, type TrustSettings } from "./settings.js";
export {
  createAdmissionGate,
  type AdmissionGate,
  type AdmissionGateOptions,
  type GateQuestion,
} from "./admission/admission-gate.js";
export {
  createProvenanceRecorder,
  type BuiltImage,
  type ProvenanceRecorder,
  type ProvenanceRecorderOptions,
} from "./provenance/provenance-recorder.js";
