import { z } from "zod";
import { ImageTrustError } from "../errors.js";
import { parseTrustPolicy, type TrustPolicy } from "../policy/trust-policy.js";

/** What happens when a rule does not hold. */
export type Effect = "warn" | "refuse";

export type Severity = "low" | "medium" | "high";

/** What images must be. A rule that is left out asks nothing. */
export interface AdmissionRules {
  /** Repositories an image may be built from, or registries it may be pulled from; `*` at the end for any rest. */
  readonly sources?: readonly string[] | undefined;
  /** Somebody the trust policy names must have signed its digest. */
  readonly signed?: boolean | undefined;
  /** Provenance of it must be known: by whom and from what it was built. */
  readonly provenance?: boolean | undefined;
  /** Base images, as written in the Dockerfile; `*` at the end for any rest. */
  readonly bases?: readonly string[] | undefined;
  /** Every base must be named by its digest. */
  readonly pinnedBases?: boolean | undefined;
  /** Longest time since it was built. */
  readonly maxAgeDays?: number | undefined;
  /** Findings on its Dockerfile of this severity, or a higher one, count. */
  readonly findings?: Severity | undefined;
}

/** What an installation demands of images before a workspace starts. */
export interface AdmissionPolicy {
  readonly effect: Effect;
  readonly rules: AdmissionRules;
  /** Further rules for a tier, and what happens there; what a tier leaves out is as for all. */
  readonly tiers: Readonly<
    Partial<
      Record<1 | 2 | 3 | 4, (AdmissionRules & { readonly effect?: Effect | undefined }) | undefined>
    >
  >;
  /** Whose signatures count; needed by `signed`. */
  readonly trust: TrustPolicy | undefined;
}

/** Asks for nothing. What tiers 3 and 4 always want is not part of any policy. */
export const NO_ADMISSION_POLICY: AdmissionPolicy = {
  effect: "refuse",
  rules: {},
  tiers: {},
  trust: undefined,
};

const EFFECT = z.enum(["warn", "refuse"]);
const TEXT = z.string().min(1).max(2000);
const LIST = z.array(TEXT).min(1).max(1000).optional();
const RULES = {
  sources: LIST,
  signed: z.boolean().optional(),
  provenance: z.boolean().optional(),
  bases: LIST,
  pinnedBases: z.boolean().optional(),
  maxAgeDays: z.number().positive().max(36_500).optional(),
  findings: z.enum(["low", "medium", "high"]).optional(),
};
const TIER = z.strictObject({ ...RULES, effect: EFFECT.optional() }).optional();
const POLICY = z.strictObject({
  effect: EFFECT.default("refuse"),
  rules: z.strictObject(RULES).default({}),
  tiers: z.strictObject({ 1: TIER, 2: TIER, 3: TIER, 4: TIER }).default({}),
  trust: z.unknown().optional(),
});

/**
 * Reads a policy from plain JSON: `effect`, `rules`, `tiers` and `trust` (see `parseTrustPolicy`).
 * Unknown fields are refused: a misspelt rule would not be one. Throws `ERR_TRUST_POLICY`.
 */
export function parseAdmissionPolicy(value: unknown): AdmissionPolicy {
  const parsed = POLICY.safeParse(value);
  if (!parsed.success) return refuse(z.prettifyError(parsed.error).replaceAll("\n", " "));
  const { effect, rules, tiers, trust } = parsed.data;
  const policy = {
    effect,
    rules,
    tiers,
    trust: trust === undefined ? undefined : parseTrustPolicy(trust),
  };
  const wantsSignatures = [rules, ...Object.values(tiers)].some((some) => some?.signed === true);
  if (wantsSignatures && policy.trust === undefined) {
    return refuse("it wants signatures, and says in `trust` of nobody whose signature counts");
  }
  return policy;
}

function refuse(reason: string): never {
  throw new ImageTrustError("ERR_TRUST_POLICY", `The admission policy cannot be used: ${reason}.`, {
    hint: "Correct the policy; docs/trust.md shows a whole one.",
  });
}
