import { z } from "zod";
import { isDigestText } from "./digest-text.js";

/** Which build an image is from. */
export interface BuildInstance {
  readonly commit?: string | undefined;
  readonly pipelineId?: string | undefined;
  readonly jobId?: string | undefined;
  /** ISO 8601. */
  readonly createdAt?: string | undefined;
}

/** A signature or statement about an image. */
export interface AttestationRecord {
  readonly type: "cosign" | "in-toto" | "slsa";
  readonly signatureRef: string;
  readonly attestationRef: string;
  readonly signerIdentity: string;
  readonly verifiedDigest: string;
}

/** One tag at one registry. */
export interface PublishedImage {
  /** As references have it. */
  readonly host: string;
  readonly path: string;
  readonly tag: string;
  readonly provider: string;
  /** `host/path:tag`. */
  readonly ref: string;
  readonly digest?: string | undefined;
  /** What the variables of its credential begin with; never the credential. */
  readonly credentialRef?: string | undefined;
  readonly buildInstance: BuildInstance;
  readonly registry?: string | undefined;
  /** What others saw, and who: kept beside `digest`, never instead of it. */
  readonly observedDigest?: string | undefined;
  readonly observedDigestAlt?: string | undefined;
  readonly observedBy?: string | undefined;
  readonly observedByAlt?: string | undefined;
  readonly expectedTags?: readonly string[] | undefined;
  readonly expectedCommit?: string | undefined;
  readonly attestation?: AttestationRecord | undefined;
  readonly signingAttempted?: boolean | undefined;
}

const text = z.string().max(4096);
const digest = text.refine((value) => value === "" || isDigestText(value));

const INSTANCE = z.looseObject({
  commit: text.optional(),
  pipeline_id: text.optional(),
  job_id: text.optional(),
  created_at: text.optional(),
});
const ATTESTATION = z.looseObject({
  type: z.enum(["cosign", "in-toto", "slsa"]),
  signature_ref: text.default(""),
  attestation_ref: text.default(""),
  signer_identity: text.default(""),
  verified_digest: text.default(""),
});

/** A record as it stands in a manifest. */
export const PUBLISHED_JSON: z.ZodType<PublishedImage> = z
  .looseObject({
    host: text,
    path: text,
    tag: text,
    provider: text.default(""),
    ref: text,
    digest: digest.optional(),
    credential_ref: text.optional(),
    build_instance: INSTANCE.default({}),
    registry: text.optional(),
    observed_digest: digest.optional(),
    observed_digest_alt: digest.optional(),
    observed_by: text.optional(),
    observed_by_alt: text.optional(),
    expected_tags: z.array(text).max(10_000).optional(),
    expected_commit: text.optional(),
    attestation: ATTESTATION.optional(),
    signing_attempted: z.boolean().optional(),
  })
  .transform((found): PublishedImage => ({
    host: found.host,
    path: found.path,
    tag: found.tag,
    provider: found.provider,
    ref: found.ref,
    digest: found.digest || undefined,
    credentialRef: found.credential_ref,
    buildInstance: {
      commit: found.build_instance.commit,
      pipelineId: found.build_instance.pipeline_id,
      jobId: found.build_instance.job_id,
      createdAt: found.build_instance.created_at,
    },
    registry: found.registry,
    observedDigest: found.observed_digest,
    observedDigestAlt: found.observed_digest_alt,
    observedBy: found.observed_by,
    observedByAlt: found.observed_by_alt,
    expectedTags: found.expected_tags,
    expectedCommit: found.expected_commit,
    attestation: found.attestation && {
      type: found.attestation.type,
      signatureRef: found.attestation.signature_ref,
      attestationRef: found.attestation.attestation_ref,
      signerIdentity: found.attestation.signer_identity,
      verifiedDigest: found.attestation.verified_digest,
    },
    signingAttempted: found.signing_attempted,
  }));

/** The JSON of a record, its fields in their fixed order; what is undefined is left out when written. */
export function publishedToJson(image: PublishedImage): Readonly<Record<string, unknown>> {
  const { buildInstance, attestation } = image;
  return {
    host: image.host,
    path: image.path,
    tag: image.tag,
    provider: image.provider,
    ref: image.ref,
    digest: image.digest,
    credential_ref: image.credentialRef,
    build_instance: {
      commit: buildInstance.commit,
      pipeline_id: buildInstance.pipelineId,
      job_id: buildInstance.jobId,
      created_at: buildInstance.createdAt,
    },
    registry: image.registry,
    observed_digest: image.observedDigest,
    observed_digest_alt: image.observedDigestAlt,
    observed_by: image.observedBy,
    observed_by_alt: image.observedByAlt,
    expected_tags: image.expectedTags,
    expected_commit: image.expectedCommit,
    attestation: attestation && {
      type: attestation.type,
      signature_ref: attestation.signatureRef,
      attestation_ref: attestation.attestationRef,
      signer_identity: attestation.signerIdentity,
      verified_digest: attestation.verifiedDigest,
    },
    signing_attempted: image.signingAttempted,
  };
}
