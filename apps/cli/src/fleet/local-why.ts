import type { Machine } from "../compose.js";
import { openRegistryClient } from "../compose-registry.js";
import { findPushed, openGate, openProvenanceStore } from "../compose-trust.js";
import type { CommandContext } from "../run-command.js";
import type { FleetWorkspace } from "./fleet.js";
import type { WorkspaceWhy } from "./workspace-why.js";

/** Asks the provenance that is kept here and the policy of now. */
export async function explainLocally(
  context: CommandContext,
  machine: Machine,
  workspace: FleetWorkspace,
): Promise<WorkspaceWhy> {
  const { signal } = context;
  const { image, spec } = await machine.backend.recall(workspace.id, { signal });
  await using registry = await openRegistryClient(context);
  const gate = await openGate(context, machine, registry);
  const { readProvenance } = await import("@molecule-ai/image-trust");
  const kept = await (await openProvenanceStore(context)).read(image.imageId);
  const tier = asTier(workspace.tier);
  const isNamed = spec.image !== undefined && spec.image !== "";
  const pushedAs = await findPushed(context, {
    runtime: workspace.runtime,
    imageId: image.imageId,
    isNamed,
  });
  return {
    id: workspace.id,
    name: workspace.name,
    tier,
    status: workspace.status,
    image: image.ref,
    imageId: image.imageId,
    digest: image.digest,
    source: image.source,
    revision: image.revision,
    provenance: kept && readProvenance(kept.predicateType, kept.predicate),
    verdict: await gate.judge({ tier, image, isNamed, pushedAs, signal }),
  };
}

function asTier(tier: number): 1 | 2 | 3 | 4 {
  return tier === 1 || tier === 3 || tier === 4 ? tier : 2;
}
