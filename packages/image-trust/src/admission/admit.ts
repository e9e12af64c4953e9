import { ImageTrustError } from "../errors.js";
import { matchesPattern } from "../policy/trust-policy.js";
import type { AdmissionPolicy, AdmissionRules, Effect, Severity } from "./admission-policy.js";
import type { ImageFacts } from "./image-facts.js";

export type AdmissionRuleName = keyof AdmissionRules | "knownDigest";

/** A rule that does not hold, what that means, and what to do about it. */
export interface AdmissionFinding {
  readonly rule: AdmissionRuleName;
  readonly effect: Effect;
  readonly message: string;
  readonly remedy: string;
}

export interface AdmissionVerdict {
  readonly decision: "allowed" | "warned" | "refused";
  readonly tier: 1 | 2 | 3 | 4;
  readonly findings: readonly AdmissionFinding[];
  /** Rules that were asked and hold. */
  readonly passed: readonly AdmissionRuleName[];
}

export interface AdmissionRequest {
  readonly facts: ImageFacts;
  readonly policy: AdmissionPolicy;
  readonly tier: 1 | 2 | 3 | 4;
  /** Unix milliseconds. */
  readonly now: number;
}

const DAY_MS = 24 * 3600 * 1000;
const SEVERITIES: readonly Severity[] = ["low", "medium", "high"];

/** The rules that apply to a tier: those for all, and what the tier says otherwise. */
export function rulesFor(policy: AdmissionPolicy, tier: 1 | 2 | 3 | 4): AdmissionRules {
  const { effect: _, ...own } = policy.tiers[tier] ?? {};
  return { ...policy.rules, ...own };
}

/**
 * Whether a workspace of `tier` may start from an image. Pure; doubt counts against the image: what
 * is not known does not satisfy a rule that asks for it.
 */
export function admit(request: AdmissionRequest): AdmissionVerdict {
  const { policy, tier } = request;
  const effect = policy.tiers[tier]?.effect ?? policy.effect;
  const findings: AdmissionFinding[] = [];
  const passed: AdmissionRuleName[] = [];
  for (const [rule, fault] of faultsOf(request)) {
    if (fault === undefined) passed.push(rule);
    // No policy loosens what a container with power over the host always needs.
    else findings.push({ rule, effect: rule === "knownDigest" ? "refuse" : effect, ...fault });
  }
  const decision = findings.some((finding) => finding.effect === "refuse")
    ? "refused"
    : findings.length > 0
      ? "warned"
      : "allowed";
  return { decision, tier, findings, passed };
}

/** Throws `ERR_TRUST_REFUSED` with the first rule that refuses and its remedy; `details` has all of the verdict. */
export function requireAdmitted(verdict: AdmissionVerdict, reference: string): AdmissionVerdict {
  const refusing = verdict.findings.filter(({ effect }) => effect === "refuse");
  const [first] = refusing;
  if (first === undefined) return verdict;
  throw new ImageTrustError(
    "ERR_TRUST_REFUSED",
    `${reference} may not be started at tier ${verdict.tier}: rule ${first.rule}: ${first.message}.`,
    {
      hint: first.remedy,
      details: {
        reference,
        tier: verdict.tier,
        findings: verdict.findings.map((finding) => ({ ...finding })),
        passed: [...verdict.passed],
      },
    },
  );
}

type Fault = Pick<AdmissionFinding, "message" | "remedy">;

function faultsOf(request: AdmissionRequest): [AdmissionRuleName, Fault | undefined][] {
  const { facts, policy, tier, now } = request;
  const rules = rulesFor(policy, tier);
  const faults: [AdmissionRuleName, Fault | undefined][] = [];
  if (tier >= 3) faults.push(["knownDigest", knownDigest(facts)]);
  if (rules.sources !== undefined) faults.push(["sources", source(facts, rules.sources)]);
  if (rules.signed === true) faults.push(["signed", signed(facts)]);
  if (rules.provenance === true) faults.push(["provenance", provenance(facts)]);
  if (rules.bases !== undefined) faults.push(["bases", bases(facts, rules.bases)]);
  if (rules.pinnedBases === true) faults.push(["pinnedBases", pinnedBases(facts)]);
  if (rules.maxAgeDays !== undefined)
    faults.push(["maxAgeDays", age(facts, rules.maxAgeDays, now)]);
  if (rules.findings !== undefined) faults.push(["findings", findings(facts, rules.findings)]);
  return faults;
}

function knownDigest({ origin, digest, imageId }: ImageFacts): Fault | undefined {
  const isKnown =
    (origin === "built" && imageId.startsWith("sha256:")) ||
    (origin === "pulled" && digest !== undefined);
  if (isKnown) return undefined;
  return {
    message: "this installation neither built it nor pulled it under a known digest",
    remedy:
      "Build it from its template, or pull it from the registry; then start the workspace again.",
  };
}

function source(facts: ImageFacts, allowed: readonly string[]): Fault | undefined {
  const from = facts.source;
  if (from !== undefined && allowed.some((pattern) => matchesPattern(pattern, from))) {
    return undefined;
  }
  return {
    message: from === undefined ? "where it comes from is not known" : `it comes from ${from}`,
    remedy: "Take it from an allowed source, or add that one to `sources` of the policy.",
  };
}

function signed({ verification }: ImageFacts): Fault | undefined {
  if (verification !== undefined && verification.signatures.length > 0) return undefined;
  const [first] = verification?.rejected ?? [];
  return {
    message:
      first === undefined ? "nobody signed it" : `no signature of it counts: ${first.reason}`,
    remedy: "Push and sign it with a key or identity that the policy trusts.",
  };
}

function provenance({ hasProvenance }: ImageFacts): Fault | undefined {
  if (hasProvenance) return undefined;
  return {
    message: "nothing says from what and by whom it was built",
    remedy: "Build it with this installation, or attest its provenance with a trusted signer.",
  };
}

function bases(facts: ImageFacts, allowed: readonly string[]): Fault | undefined {
  if (facts.bases === undefined) return dockerfileUnknown();
  const other = facts.bases.find(
    (base) => !allowed.some((pattern) => matchesPattern(pattern, base)),
  );
  if (other === undefined) return undefined;
  return {
    message: `its base image ${other} is not on the list`,
    remedy: "Build on an allowed base image, or add that one to `bases` of the policy.",
  };
}

function pinnedBases(facts: ImageFacts): Fault | undefined {
  if (facts.bases === undefined) return dockerfileUnknown();
  const loose = facts.bases.find((base) => !/@sha256:[0-9a-f]{64}$/.test(base));
  if (loose === undefined) return undefined;
  return {
    message: `its base image ${loose} is not named by a digest`,
    remedy: "Write FROM with @sha256:… and build again.",
  };
}

function age({ createdAt }: ImageFacts, days: number, now: number): Fault | undefined {
  if (createdAt !== undefined && now - createdAt <= days * DAY_MS) return undefined;
  return {
    message:
      createdAt === undefined
        ? "when it was made is not known"
        : `it is ${Math.floor((now - createdAt) / DAY_MS)} days old, and ${days} are allowed`,
    remedy: "Build or pull it again.",
  };
}

function findings(facts: ImageFacts, threshold: Severity): Fault | undefined {
  if (facts.findings === undefined) return dockerfileUnknown();
  const counted = facts.findings.filter(
    ({ severity }) => SEVERITIES.indexOf(severity) >= SEVERITIES.indexOf(threshold),
  );
  const [first] = counted;
  if (first === undefined) return undefined;
  const more = counted.length === 1 ? "" : `, and ${counted.length - 1} more`;
  return {
    message: `its Dockerfile has ${first.rule} in line ${first.line}${more}`,
    remedy: "See `molecule-provisioner inventory`, correct the Dockerfile and build again.",
  };
}

function dockerfileUnknown(): Fault {
  return {
    message: "its Dockerfile is not known here",
    remedy: "Build it from its template with this installation.",
  };
}
