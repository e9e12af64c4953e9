import { formatElapsed, renderSection, type SectionRow } from "../render/section.js";
import type { BuilderAction, BuilderGcRule, BuilderInfo } from "./builder-info.js";

export interface RenderBuilderOptions {
  readonly color?: boolean | undefined;
  /** What buildx printed, shown when it was not understood. */
  readonly output?: string | undefined;
}

const SCOPE_WIDTH = 34;
const COMMON_SCOPE = "type==source.local,type==exec.cachemount,type==source.git.checkout";

/** A builder as a block of text for people; ends with a newline. */
export function renderBuilder(
  builder: BuilderInfo & {
    readonly action?: BuilderAction | undefined;
    readonly bootstrapMs?: number | undefined;
  },
  options: RenderBuilderOptions = {},
): string {
  const { bootstrapMs } = builder;
  const { color } = options;
  if (!builder.complete) {
    const status = builder.nodes[0]?.status || builder.error || "not understood";
    const output = (options.output ?? "").split("\n").filter((line) => line.trim() !== "");
    return renderSection("Builder", [{ label: "status", value: status }, ...output], {
      elapsedMs: bootstrapMs,
      color,
    });
  }
  const many = builder.nodes.length > 1;
  const rows: SectionRow[] = [
    { label: "builder", value: builder.name },
    { label: "driver", value: builder.driver },
  ];
  for (const node of builder.nodes) {
    if (many) rows.push("", { label: "node", value: node.name });
    rows.push(
      { label: "endpoint", value: node.endpoint },
      { label: "status", value: node.error === undefined ? node.status : `error: ${node.error}` },
    );
    if (builder.action !== undefined) rows.push({ label: "action", value: builder.action });
    if (bootstrapMs !== undefined) {
      rows.push({ label: "bootstrap", value: formatElapsed(bootstrapMs), status: "success" });
    }
    if (node.buildkitVersion !== undefined) {
      rows.push({ label: "buildkit", value: node.buildkitVersion });
    }
    if (node.platforms.length > 0) {
      rows.push({ label: "platforms", value: node.platforms.join(", ") });
    }
    if (node.gcRules.length > 0) rows.push("", "gc policy", ...node.gcRules.map(gcRow));
  }
  return renderSection("Builder", rows, { elapsedMs: bootstrapMs, color });
}

function gcRow(rule: BuilderGcRule): string {
  const limits = [
    ["keep", rule.keepDuration],
    ["bytes", rule.keepBytes],
    ["max", rule.maxUsed],
    ["min free", rule.minFree],
  ].flatMap(([word, value]) => (value === undefined ? [] : [`${word ?? ""} ${value}`]));
  return `  ${scopeText(rule).padEnd(SCOPE_WIDTH)} ${limits.join("  ")}`;
}

function scopeText(rule: BuilderGcRule): string {
  if (rule.scope === "") return rule.all ? "all (fallback)" : "general cache";
  return rule.scope === COMMON_SCOPE ? "source/cachemount/git" : rule.scope;
}
