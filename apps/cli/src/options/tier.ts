import type { Tier } from "@molecule-ai/host-config";
import { CliError } from "../errors.js";
import { invalidOption } from "./invalid-option.js";

const TIERS: readonly Tier[] = [1, 2, 3, 4];

/** A person who types a tier means one of the four; the platform's "anything else is 2" is not for typing errors. */
export function parseTier(text: string): Tier {
  const tier = TIERS.find((candidate) => String(candidate) === text);
  if (tier !== undefined) return tier;
  throw invalidOption("--tier", text, "Give 1, 2, 3 or 4; `tiers` explains what each grants.");
}

/** The policy that refuses a tier, or undefined when it may be used. */
export function refuseTier(
  tier: number,
  policy: { readonly allowPrivileged: boolean; readonly maxTier: number },
): CliError | undefined {
  if (tier > policy.maxTier) {
    return new CliError(
      "ERR_CLI_TIER_REFUSED",
      `Tier ${tier} is above ${policy.maxTier}, the highest tier MOLECULE_MAX_TIER allows here`,
      {
        hint: `Use --tier ${policy.maxTier} or lower, or ask whoever set MOLECULE_MAX_TIER.`,
        details: { tier, rule: "MOLECULE_MAX_TIER" },
      },
    );
  }
  if (tier >= 3 && !policy.allowPrivileged) {
    return new CliError(
      "ERR_CLI_TIER_REFUSED",
      `Tier ${tier} gives the agent control over this machine and was not allowed`,
      {
        hint: "Add --allow-privileged if that is what you want; `tiers` says what it grants.",
        details: { tier, rule: "--allow-privileged" },
      },
    );
  }
  return undefined;
}
