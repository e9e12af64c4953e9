import type { ErrorRecord } from "@molecule-ai/core";
import type { CleanupEvent } from "./cleanup-event.js";
import type { CleanupItem } from "./cleanup-plan.js";
import type { CleanupClass } from "./cleanup-policy.js";

/** What became of one item. That something went already, or is used since, is no failure. */
export type Removal =
  | { readonly outcome: "removed"; readonly freedBytes: number }
  | { readonly outcome: "kept"; readonly reason: string }
  | { readonly outcome: "failed"; readonly error: ErrorRecord };

export type CleanupOutcome = Removal & {
  readonly class: CleanupClass;
  readonly id: string;
  readonly name: string;
};

export function outcomeOf(item: CleanupItem, removal: Removal): CleanupOutcome {
  return { class: item.class, id: item.id, name: item.name, ...removal };
}

export function eventOf(outcome: CleanupOutcome): CleanupEvent {
  const { class: kind, id, name } = outcome;
  const about = { class: kind, id, name };
  switch (outcome.outcome) {
    case "removed":
      return { type: "cleanup.removed", ...about, freedBytes: outcome.freedBytes };
    case "kept":
      return { type: "cleanup.kept", ...about, reason: outcome.reason };
    case "failed":
      return { type: "cleanup.failed", ...about, error: outcome.error };
    default:
      return outcome satisfies never;
  }
}
