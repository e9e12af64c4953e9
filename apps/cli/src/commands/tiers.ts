import {
  explainTier,
  TIER_NAMES,
  tierLimitsFromEnv,
  TIERS,
  type Tier,
  type TierExplanation,
} from "@molecule-ai/host-config";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatTable, wrapText } from "../output/table.js";
import type { CommandContext } from "../run-command.js";

/** Four such columns and the names beside them fit a usual terminal. */
const CELL_COLUMNS = 24;
const MEANING_COLUMNS = 60;

interface ExplainedTier {
  readonly tier: Tier;
  readonly name: string;
  readonly rows: readonly TierExplanation[];
}

/** `tiers`: all of them side by side, or one in sentences. */
export function tiers(context: CommandContext, only: number | undefined): CommandResult {
  const { limits, warnings } = tierLimitsFromEnv(context.settings.env);
  for (const warning of warnings) context.onEvent(warning);
  const explained = TIERS.filter((tier) => only === undefined || tier === only).map((tier) => ({
    tier,
    name: TIER_NAMES[tier],
    rows: explainTier(tier, limits),
  }));
  const [first] = explained;
  return {
    data: { tiers: explained },
    text: (style) =>
      only === undefined || first === undefined
        ? formatTiers(explained, style)
        : formatTier(first, style),
  };
}

function formatTiers(explained: readonly ExplainedTier[], style: Style): string {
  const fields = explained[0]?.rows.map(({ field }) => field) ?? [];
  const table = formatTable(
    fields.map((field, index) => ({ field, index })),
    [
      { title: "", cell: ({ field }) => field },
      ...explained.map(({ tier, name, rows }) => ({
        title: `${tier} ${name}`,
        cell: ({ index }: { readonly index: number }) =>
          wrapText(rows[index]?.value ?? "", CELL_COLUMNS),
      })),
    ],
    style.strong,
  );
  return `${table}\n\n\`tiers 3\` explains tier 3 in sentences. Tiers 3 and 4 need --allow-privileged.`;
}

function formatTier({ tier, name, rows }: ExplainedTier, style: Style): string {
  const table = formatTable(
    rows,
    [
      { title: "GRANT", cell: ({ field }) => field },
      { title: "VALUE", cell: ({ value }) => wrapText(value, CELL_COLUMNS) },
      { title: "MEANING", cell: ({ meaning }) => wrapText(meaning, MEANING_COLUMNS) },
    ],
    style.strong,
  );
  return `Tier ${tier}, ${name}\n\n${table}`;
}
