import { LABELS } from "@molecule-ai/core";
import { hasLabel } from "./label-filter.js";
import type { CleanupPolicy } from "./cleanup-policy.js";

type Labels = Readonly<Record<string, string>>;

/** True when a thing with these labels is what the clean-up is about at all. */
export function isInScope(labels: Labels, { scope }: CleanupPolicy): boolean {
  return scope.every((filter) => hasLabel(labels, filter));
}

/** Why something with these labels stays; undefined when they are no reason. */
export function labelProtection(labels: Labels, policy: CleanupPolicy): string | undefined {
  const filter = policy.protectedLabels.find((label) => hasLabel(labels, label));
  if (filter !== undefined) return `the label ${filter} protects it`;
  const install = labels[LABELS.install] ?? labels[LABELS.builtBy];
  return install === undefined ? undefined : `it belongs to the installation ${install}`;
}
