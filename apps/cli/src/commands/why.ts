import { openFleet } from "../fleet/open-fleet.js";
import type { WhyProvenance, WorkspaceWhy } from "../fleet/workspace-why.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import type { CommandContext } from "../run-command.js";

/** `why`: where the image of a workspace is from, who built it from what, and what the policy says. */
export async function why(context: CommandContext, query: string): Promise<CommandResult> {
  await using fleet = await openFleet(context);
  const facts = await fleet.explain(await fleet.find(query));
  return { data: { ...facts }, text: (style) => formatWhy(facts, style) };
}

export function formatWhy(facts: WorkspaceWhy, style: Style): string {
  const { provenance, verdict } = facts;
  const fields: (readonly [string, string | undefined])[] = [
    ["workspace", `${facts.name} (${facts.id}), tier ${facts.tier}, ${facts.status}`],
    ["because", facts.why],
    ["image", facts.image],
    ["image id", facts.imageId],
    ["digest", facts.digest],
    ["source", facts.source ?? provenance?.repository],
    ["commit", facts.revision],
    ["built by", provenance?.builder ?? "not known"],
    ["built", provenance?.finishedAt],
    ["from", provenance && basesOf(provenance).join("\n")],
    ["admission", verdict?.decision ?? "nobody was asked"],
    ["asked of", verdict?.image === facts.image ? undefined : verdict?.image],
    ["asked at", verdict?.at],
    ["rules that hold", verdict?.passed.join(", ")],
    ...(verdict?.findings ?? []).map(
      ({ rule, effect, message, remedy }) =>
        [`rule ${rule}`, `${effect}: ${message}\n${remedy}`] as const,
    ),
  ];
  return formatFields(
    fields.filter((field): field is readonly [string, string] => Boolean(field[1])),
    style.strong,
  );
}

/** One line: who built it, from what, and whether it may start. */
export function summarizeWhy({ provenance, verdict }: WorkspaceWhy): string | undefined {
  const parts = [
    ...(provenance === undefined
      ? []
      : [
          `built by ${provenance.builder}`,
          `commit ${provenance.commit?.slice(0, 12) ?? "not known"}`,
          `from ${basesOf(provenance).join(", ") || "no base"}`,
        ]),
    ...(verdict === undefined
      ? []
      : [[verdict.decision, ...verdict.findings.map(({ rule }) => `rule ${rule}`)].join(" ")]),
  ];
  return parts.length === 0 ? undefined : parts.join("; ");
}

/** Its base images, each with what it turned out to be. */
function basesOf({ dependencies }: WhyProvenance): string[] {
  return dependencies
    .filter(({ uri }) => !uri.startsWith("git+"))
    .map(({ uri, digest }) => [uri.replace(/^docker:\/\//, ""), digest].filter(Boolean).join(" "));
}
