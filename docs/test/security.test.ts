import { explainTier, TIERS, tierLimitsFromEnv, TIER_NAMES } from "@molecule-ai/host-config";
import { expect, it } from "vitest";
import { readDoc } from "./sources.js";

it("shows the tiers as the code grants them", () => {
  const { limits } = tierLimitsFromEnv({});
  const columns = TIERS.map((tier) => explainTier(tier, limits));
  const rows = (columns[0] ?? []).map(({ field }, at) =>
    [`\`${field}\``, ...columns.map((column) => column[at]?.value ?? "")].join(" | "),
  );
  const header = ["field", ...TIERS.map((tier) => `${tier} ${TIER_NAMES[tier]}`)].join(" | ");
  const documented = readDoc("security.md")
    .split("\n")
    .filter((line) => line.startsWith("|"))
    .map((line) =>
      line
        .replace(/^\|\s*|\s*\|$/g, "")
        .split(/\s*\|\s*/)
        .join(" | "),
    );
  expect(documented).toContain(header);
  for (const row of rows) expect(documented).toContain(row);
});
