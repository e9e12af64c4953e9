import type { Style } from "./style.js";

/** What was removed, or would be. */
export interface Removals {
  readonly dryRun: boolean;
  readonly removed: readonly string[];
  readonly kept: readonly { readonly name: string; readonly reason: string }[];
  readonly failed: readonly { readonly name: string; readonly message: string }[];
}

export function formatRemovals(removals: Removals, style: Style): string {
  const { removed, kept, failed } = removals;
  const verb = removals.dryRun ? "would remove" : "removed";
  const lines = [
    ...removed.map((name) => `${verb} ${name}`),
    ...kept.map(({ name, reason }) => style.faint(`kept ${name}: ${reason}`)),
    ...failed.map(({ name, message }) => `${style.bad("failed")} ${name}: ${message}`),
  ];
  return lines.length === 0 ? "Nothing to remove." : lines.join("\n");
}
