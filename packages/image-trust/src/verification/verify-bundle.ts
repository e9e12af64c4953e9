import { TrustedRoot } from "@sigstore/protobuf-specs";
import { toSignedEntity, toTrustMaterial, Verifier } from "@sigstore/verify";
import { matchesPattern, type TrustPolicy } from "../policy/trust-policy.js";
import type { ReadableBundle } from "./to-bundles.js";

/** Who a signature turned out to be of. */
export type VerifiedSigner =
  | { readonly kind: "key"; readonly id: string }
  | { readonly kind: "identity"; readonly issuer: string; readonly subject: string };

export type BundleVerdict =
  | { readonly kind: "verified"; readonly signer: VerifiedSigner }
  | { readonly kind: "rejected"; readonly reason: string };

const NO_ROOT = TrustedRoot.fromJSON({
  mediaType: "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
});

/** Whether somebody the policy trusts made this signature. Touches neither network nor disk. */
export function verifyBundle(readable: ReadableBundle, policy: TrustPolicy): BundleVerdict {
  const { content } = readable.bundle.verificationMaterial;
  return content.$case === "publicKey"
    ? verifyWithKeys(readable, policy)
    : verifyIdentity(readable, policy);
}

function verifyWithKeys(readable: ReadableBundle, policy: TrustPolicy): BundleVerdict {
  if (policy.keys.length === 0) return rejected("it is signed with a key, and no key is trusted");
  let reason = "";
  for (const { id, publicKey } of policy.keys) {
    // The hint of a bundle is the signer's word; whom we trust is decided by trying our own keys.
    const material = toTrustMaterial(policy.trustedRoot ?? NO_ROOT, () => ({
      publicKey,
      validFor: () => true,
    }));
    const thresholds = {
      tlogThreshold: policy.transparency ? 1 : 0,
      ctlogThreshold: 0,
      timestampThreshold: 0,
    };
    try {
      new Verifier(material, thresholds).verify(entityOf(readable));
      return { kind: "verified", signer: { kind: "key", id } };
    } catch (error) {
      reason = reasonOf(error);
    }
  }
  return rejected(`no trusted key made it (${reason})`);
}

function verifyIdentity(readable: ReadableBundle, policy: TrustPolicy): BundleVerdict {
  const { identities, trustedRoot } = policy;
  if (trustedRoot === undefined || identities.length === 0) {
    return rejected("it is signed by an identity, and none is trusted");
  }
  try {
    // The certificate lives for minutes: without a time that somebody vouches for it says nothing.
    const verifier = new Verifier(toTrustMaterial(trustedRoot), {
      tlogThreshold: policy.transparency ? 1 : 0,
      ctlogThreshold: trustedRoot.ctlogs.length > 0 ? 1 : 0,
      timestampThreshold: 1,
    });
    const { identity } = verifier.verify(entityOf(readable));
    const issuer = identity?.extensions?.issuer ?? "";
    const subject = identity?.subjectAlternativeName ?? "";
    const isTrusted = identities.some(
      (trusted) => trusted.issuer === issuer && matchesPattern(trusted.subject, subject),
    );
    if (isTrusted) return { kind: "verified", signer: { kind: "identity", issuer, subject } };
    return rejected(`${subject} of ${issuer} is not trusted`);
  } catch (error) {
    return rejected(reasonOf(error));
  }
}

function entityOf({ bundle, payload }: ReadableBundle): ReturnType<typeof toSignedEntity> {
  return toSignedEntity(bundle, payload);
}

function rejected(reason: string): BundleVerdict {
  return { kind: "rejected", reason };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message.slice(0, 200) : "unknown reason";
}
