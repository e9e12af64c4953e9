import { isProvisionerError, LABELS } from "@molecule-ai/core";
import type { VolumeInfo } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import type { PlannedVolume, WorkspacePlan } from "../workspace-plan.js";
import { belongsTo } from "./ownership.js";
import type { StartRun } from "./start-run.js";

/** Makes sure the network is there; one that exists is used whoever made it. */
export async function ensureNetwork(run: StartRun, plan: WorkspacePlan): Promise<void> {
  const { network } = plan;
  if (network === undefined) return;
  const { networks } = run.context.engine;
  if ((await networks.inspect(network.name, { signal: run.signal })) !== undefined) return;
  try {
    const labels = { ...network.labels, ...run.stamp };
    await networks.create({ name: network.name, labels }, { signal: run.late });
  } catch (error) {
    // Somebody else made it meanwhile. It stays after a failed start too: others may rely on it.
    if (!isProvisionerError(error, "ERR_ENGINE_CONFLICT")) throw error;
  }
}

/** Creates the volume or takes the one that is ours. Resolves to whether it was there before. */
export async function ensureVolume(run: StartRun, planned: PlannedVolume): Promise<boolean> {
  const { volumes } = run.context.engine;
  run.undo.push((signal) => removeOwnVolume(run, planned.name, signal));
  const labels = { ...planned.labels, ...run.stamp };
  const volume = await volumes.create({ name: planned.name, labels }, { signal: run.late });
  if (volume.labels[LABELS.attempt] === run.attempt) return false;
  checkOwner(run, volume);
  return true;
}

/** Removes the volume when this very attempt created it and nobody else uses it by now. */
async function removeOwnVolume(
  run: StartRun,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { volumes } = run.context.engine;
  const volume = await volumes.inspect(name, { signal });
  if (volume?.labels[LABELS.attempt] !== run.attempt) return undefined;
  try {
    return (await volumes.remove(name, { signal })) ? `volume ${name} removed` : undefined;
  } catch (error) {
    if (isProvisionerError(error, "ERR_ENGINE_CONFLICT")) return undefined;
    throw error;
  }
}

function checkOwner(run: StartRun, volume: VolumeInfo): void {
  const { installId, adoptVolumes } = run.context;
  if (belongsTo(volume.labels, installId, run.id)) return;
  const details = { volume: volume.name };
  const owner = volume.labels[LABELS.install];
  if (owner !== undefined) {
    const whose =
      owner === installId
        ? `workspace ${volume.labels[LABELS.workspace]}`
        : `another installation (${owner})`;
    throw new WorkspaceError(
      "ERR_WORKSPACE_VOLUME_TAKEN",
      `Volume ${volume.name} belongs to ${whose}.`,
      { hint: "Choose an id that differs in its first twelve characters.", details },
    );
  }
  if (!adoptVolumes) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_VOLUME_TAKEN",
      `Volume ${volume.name} exists and does not say whose it is.`,
      {
        hint: "If it holds this workspace's data from an earlier platform, set MOLECULE_ADOPT_VOLUMES=1 to use it; otherwise choose another id.",
        details,
      },
    );
  }
  run.onEvent?.({
    type: "warning",
    code: "WARN_WORKSPACE_VOLUME_ADOPTED",
    message: `Volume ${volume.name} was made by somebody else and is used as it is.`,
    hint: "It is never removed automatically, because it does not carry the labels of this installation.",
  });
}
