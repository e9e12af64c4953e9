import { isProvisionerError, LABELS } from "@molecule-ai/core";
import type { NetworkInfo, VolumeInfo } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import type { PlannedVolume, WorkspacePlan } from "../workspace-plan.js";
import { belongsTo } from "./ownership.js";
import type { StartRun } from "./start-run.js";

/** How often two that make the network at the same moment give way to each other. */
const MOST_ATTEMPTS = 12;
/** From here on, a second network of the name was left by a process that died. */
const PATIENT_ATTEMPTS = 6;

/**
 * Makes sure the network is there, once; one that exists is used whoever made it.
 *
 * An engine may make two networks of one name when it is asked twice at the same moment, and then
 * knows neither by its name. So whoever finds another beside its own takes its own back.
 */
export async function ensureNetwork(run: StartRun, plan: WorkspacePlan): Promise<void> {
  const { network } = plan;
  if (network === undefined) return;
  const { networks } = run.context.engine;
  if (await isThere(run, network.name)) return;
  const findAll = async (): Promise<readonly NetworkInfo[]> =>
    (await networks.list({}, { signal: run.signal })).filter(({ name }) => name === network.name);
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt += 1) {
    const found = await findAll();
    if (found.length === 1) return;
    if (found.length === 0) {
      const made = await createNetwork(run, network);
      if (made !== undefined) {
        if ((await findAll()).length <= 1) return;
        await removeNetwork(run, made);
      }
    } else if (attempt > PATIENT_ATTEMPTS) {
      const [, ...spare] = [...found].sort((a, b) => (a.id < b.id ? -1 : 1));
      for (const { id, labels } of spare) {
        if (labels[LABELS.install] === run.context.installId) await removeNetwork(run, id);
      }
    }
    await run.context.clock.sleep(Math.random() * 100 * attempt, run.signal);
  }
  throw new WorkspaceError(
    "ERR_WORKSPACE_START_FAILED",
    `The engine has several networks named ${network.name}.`,
    {
      hint: `Remove all but one of them: docker network ls --filter name=${network.name}`,
      retryable: true,
      details: { network: network.name },
    },
  );
}

/** The short way, for nearly every start. False also when the name is ambiguous. */
async function isThere(run: StartRun, name: string): Promise<boolean> {
  try {
    return (await run.context.engine.networks.inspect(name, { signal: run.signal })) !== undefined;
  } catch (error) {
    if (isProvisionerError(error, "ERR_ENGINE_BAD_REQUEST")) return false;
    throw error;
  }
}

/** Its id; undefined when somebody else made it meanwhile. It stays after a failed start: others may rely on it. */
async function createNetwork(
  run: StartRun,
  network: NonNullable<WorkspacePlan["network"]>,
): Promise<string | undefined> {
  try {
    const labels = { ...network.labels, ...run.stamp };
    const request = { name: network.name, labels };
    return (await run.context.engine.networks.create(request, { signal: run.late })).id;
  } catch (error) {
    if (isProvisionerError(error, "ERR_ENGINE_CONFLICT")) return undefined;
    throw error;
  }
}

/** Unless somebody uses it already. */
async function removeNetwork(run: StartRun, id: string): Promise<void> {
  try {
    await run.context.engine.networks.remove(id, { signal: run.late });
  } catch (error) {
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
