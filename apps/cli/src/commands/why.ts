import type { AdmissionVerdict, Provenance } from "@molecule-ai/image-trust";
import { openMachine } from "../compose.js";
import { openRegistryClient } from "../compose-registry.js";
import { openGate, openProvenanceStore } from "../compose-trust.js";
import type { CommandResult } from "../output/reporter.js";
import type { Style } from "../output/style.js";
import { formatFields } from "../output/table.js";
import type { CommandContext } from "../run-command.js";

/** Why a workspace runs what it runs. */
export interface WhyFacts {
  readonly id: string;
  readonly name: string;
  readonly tier: number;
  readonly image: string;
  readonly imageId: string;
  readonly digest: string | undefined;
  readonly source: string | undefined;
  readonly revision: string | undefined;
  readonly provenance: Provenance | undefined;
  /** By the policy of now. */
  readonly verdict: AdmissionVerdict;
}

/** `why`: where the image of a workspace is from, who built it from what, and what the policy says. */
export async function why(context: CommandContext, query: string): Promise<CommandResult> {
  await using machine = await openMachine(context);
  const { signal } = context;
  const workspace = await machine.find(query, signal);
  const { image, spec } = await machine.backend.recall(workspace.id, { signal });
  await using registry = await openRegistryClient(context);
  const gate = await openGate(context, machine, registry);
  const { readProvenance } = await import("@molecule-ai/image-trust");
  const kept = await (await openProvenanceStore(context)).read(image.imageId);
  const tier = asTier(workspace.tier);
  const isNamed = spec.image !== undefined && spec.image !== "";
  const facts: WhyFacts = {
    id: workspace.id,
    name: workspace.name,
    tier,
    image: image.ref,
    imageId: image.imageId,
    digest: image.digest,
    source: image.source,
    revision: image.revision,
    provenance: kept && readProvenance(kept.predicateType, kept.predicate),
    verdict: await gate.judge({ tier, image, isNamed, signal }),
  };
  return { data: { ...facts }, text: (style) => formatWhy(facts, style) };
}

function asTier(tier: number): 1 | 2 | 3 | 4 {
  return tier === 1 || tier === 3 || tier === 4 ? tier : 2;
}

export function formatWhy(facts: WhyFacts, style: Style): string {
  const { provenance, verdict } = facts;
  const fields: (readonly [string, string | undefined])[] = [
    ["workspace", `${facts.name} (${facts.id}), tier ${facts.tier}`],
    ["image", facts.image],
    ["image id", facts.imageId],
    ["digest", facts.digest],
    ["source", facts.source],
    ["commit", facts.revision],
    ["built by", provenance?.builder],
    ["built", provenance?.finishedAt],
    [
      "from",
      provenance?.dependencies
        .map(({ uri, digest }) => [uri, digest].filter(Boolean).join(" "))
        .join("\n"),
    ],
    ["admission", verdict.decision],
    ["rules that hold", verdict.passed.join(", ")],
    ...verdict.findings.map(
      ({ rule, effect, message, remedy }) =>
        [`rule ${rule}`, `${effect}: ${message}\n${remedy}`] as const,
    ),
  ];
  return formatFields(
    fields.filter((field): field is readonly [string, string] => Boolean(field[1])),
    style.strong,
  );
}
