import { isProvisionerError, LABELS, runStage } from "@molecule-ai/core";
import type { ContainerInfo, ImageInfo } from "@molecule-ai/docker-engine";
import { fitToEngine, type HostConfig } from "@molecule-ai/host-config";
import { WorkspaceError } from "../errors.js";
import { exitError } from "../exit-error.js";
import { readLogTail } from "../log-tail.js";
import { nextContainerName } from "../names.js";
import { ownSignal } from "../own-signal.js";
import type { StartedWorkspace, StartOptions, WorkspaceSeed } from "../workspace-backend.js";
import type { WorkspacePlan } from "../workspace-plan.js";
import { beginAttempt, isAbandoned } from "./attempt.js";
import { outlast, type DockerContext } from "./context.js";
import { createContainer, type CreatedContainer } from "./create-container.js";
import { addressOf, agentPortOf } from "./details.js";
import { findImageUser } from "./image-user.js";
import { keepRunning, removeReplaced, settleInterruptedSwap, swapIn } from "./replacement.js";
import { backUp, listSeedEntries, putSeed } from "./seeding.js";
import type { StartRun } from "./start-run.js";
import { ensureNetwork, ensureVolume } from "./storage.js";
import { createUndoStack } from "./undo.js";
import { checkWorkspaceDirectory } from "./workspace-directory.js";

/** See `WorkspaceBackend.start`. */
export async function startWorkspace(
  context: DockerContext,
  plan: WorkspacePlan,
  options: StartOptions = {},
): Promise<StartedWorkspace> {
  const { onEvent } = options;
  options.signal?.throwIfAborted();
  const signal = ownSignal(options.signal);
  using attempt = beginAttempt();
  using late = outlast(signal);
  const createdAt = context.clock.now();
  for (const secret of secretsOf(options.seed)) context.redactor.add(secret);
  const run: StartRun = {
    context,
    id: plan.id,
    attempt: attempt.tag,
    stamp: { [LABELS.attempt]: attempt.tag, [LABELS.createdAt]: String(createdAt) },
    createdAt,
    seed: options.seed ?? {},
    undo: createUndoStack({ clock: context.clock, onEvent, timeoutMs: context.undoTimeoutMs }),
    doubt: { create: false, stop: false },
    signal,
    late: late.signal,
    onEvent,
    isAbandoned: (labels) => isAbandoned(labels, context.clock, { takeOver: options.takeOver }),
  };
  try {
    const old = options.replace === true ? await settleInterruptedSwap(run) : undefined;
    if (old !== undefined) keepRunning(run, old);
    const prepared = await stage(run, "create", plan.container.name, () => prepare(run, plan, old));
    await seedFiles(run, prepared, old);
    const started = await stage(run, "start", plan.container.name, () =>
      startContainer(run, plan, prepared, old),
    );
    await options.verify?.(started);
    signal?.throwIfAborted();
    if (old !== undefined) await removeReplaced(run, old);
    return started;
  } catch (error) {
    await run.undo.run();
    throw error;
  }
}

function secretsOf(seed: WorkspaceSeed | undefined): readonly string[] {
  const { secrets = {}, authToken } = seed ?? {};
  return [...Object.values(secrets), ...(authToken === undefined ? [] : [authToken])];
}

async function stage<T>(
  run: StartRun,
  name: "create" | "seed" | "start",
  subject: string,
  work: () => Promise<T>,
): Promise<T> {
  run.signal?.throwIfAborted();
  const outcome = { create: "created", seed: "seeded", start: "started" }[name];
  return runStage(
    {
      stage: name,
      subject,
      clock: run.context.clock,
      onEvent: run.onEvent,
      outcome: () => outcome,
    },
    work,
  );
}

interface Prepared extends CreatedContainer {
  readonly image: ImageInfo;
  readonly hostConfig: HostConfig;
  /** The configs volume was there before. */
  readonly keptConfigs: boolean;
  readonly newWorkspaceVolume: boolean;
}

async function prepare(
  run: StartRun,
  plan: WorkspacePlan,
  old: ContainerInfo | undefined,
): Promise<Prepared> {
  const { context, signal } = run;
  const { engine } = context;
  if (context.sharesFilesystem) await checkWorkspaceDirectory(plan, [engine.endpoint.address]);
  await resetSessions(run, plan, old);

  // Independent of each other, so at once; all of them must have ended before an undo begins.
  const image = engine.images.inspect(plan.container.image, { signal });
  const capacity = engine.info({ signal });
  const network = ensureNetwork(run, plan);
  const volumes = plan.volumes.map((volume) => ensureVolume(run, volume));
  await allEnded([image, capacity, network, ...volumes]);
  const kept = await Promise.all(volumes);
  const wasKept = (wanted: string): boolean | undefined =>
    kept[plan.volumes.findIndex(({ role }) => role === wanted)];

  const found = await image;
  if (found === undefined) throw imageNotFound(plan);
  const { hostConfig, warnings } = fitToEngine(plan.container.hostConfig, await capacity);
  for (const warning of warnings) run.onEvent?.(warning);

  const created = await createContainer(run, {
    plan,
    image: found,
    hostConfig,
    name: old === undefined ? plan.container.name : nextContainerName(plan.id),
  });
  return {
    ...created,
    image: found,
    hostConfig,
    keptConfigs: wasKept("configs") === true,
    newWorkspaceVolume: wasKept("workspace") === false,
  };
}

/** Rejects with the first failure, but only when every promise has settled. */
async function allEnded(promises: readonly Promise<unknown>[]): Promise<void> {
  const results = await Promise.allSettled(promises);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function resetSessions(
  run: StartRun,
  plan: WorkspacePlan,
  old: ContainerInfo | undefined,
): Promise<void> {
  if (run.seed.resetSessions !== true) return;
  const volume = plan.volumes.find(({ role }) => role === "sessions");
  if (volume === undefined) return;
  if (old !== undefined) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_RESET_REFUSED",
      `Workspace ${run.id} uses its sessions; they cannot be reset while it is replaced.`,
      { hint: "Remove the workspace with its volumes kept, then start it with the reset." },
    );
  }
  const { volumes } = run.context.engine;
  const existing = await volumes.inspect(volume.name, { signal: run.signal });
  if (existing === undefined) return;
  const { installId } = run.context;
  if (existing.labels[LABELS.install] !== installId || existing.labels[LABELS.workspace] !== run.id)
    return;
  try {
    await volumes.remove(volume.name, { signal: run.late });
  } catch (error) {
    if (!isProvisionerError(error, "ERR_ENGINE_CONFLICT")) throw error;
    throw new WorkspaceError("ERR_WORKSPACE_EXISTS", `Workspace ${run.id} exists already.`, {
      hint: "Restart it, or remove it first.",
      cause: error,
    });
  }
}

async function seedFiles(
  run: StartRun,
  prepared: Prepared,
  old: ContainerInfo | undefined,
): Promise<void> {
  const { engine } = run.context;
  const { seed } = run;
  const hasAny =
    seed.template ?? seed.configFiles ?? seed.fallback ?? seed.authToken ?? seed.secrets;
  if (hasAny === undefined && !prepared.newWorkspaceVolume) return;
  await stage(run, "seed", "/configs", async () => {
    const user = await findImageUser(engine, prepared.id, prepared.image, run.signal);
    const isConfigured =
      prepared.keptConfigs &&
      seed.fallback !== undefined &&
      (await engine.containers.statPath(prepared.id, "/configs/config.yaml", {
        signal: run.signal,
      })) !== undefined;
    const entries = listSeedEntries({
      seed,
      user,
      withFallback: !isConfigured,
      secretsAsFile: prepared.secretsAsFile,
      newWorkspaceVolume: prepared.newWorkspaceVolume,
    });
    if (entries.length === 0) return;
    if (old !== undefined) await backUp(run, old, entries);
    const readOnlyRoot = prepared.hostConfig.ReadonlyRootfs === true;
    await putSeed(run, prepared.id, entries, { readOnlyRoot, user });
  });
}

async function startContainer(
  run: StartRun,
  plan: WorkspacePlan,
  prepared: Prepared,
  old: ContainerInfo | undefined,
): Promise<StartedWorkspace> {
  const { engine } = run.context;
  if (plan.tier === 4) await checkHostPort(run, plan, prepared);
  if (old !== undefined) await swapIn(run, prepared, old);
  try {
    await startOnNetwork(run, plan, prepared.id);
  } catch (error) {
    run.signal?.throwIfAborted();
    throw startFailed(run.id, error);
  }
  const container = await engine.containers.inspect(prepared.id, { signal: run.signal });
  if (container === undefined) {
    throw startFailed(run.id, new Error("The container was removed by somebody else."));
  }
  const address = addressOf(run.context.vantage, container);
  if (address !== undefined) return { id: run.id, ...address };
  if (container.state.running && container.state.status !== "restarting") {
    // It runs without a published port: only the network of the workspaces reaches it.
    return { id: run.id, url: plan.internalUrl, reachable: false };
  }
  const { exitCode, oomKilled } = container.state;
  const { restartCount } = container;
  const log = engine.containers.logs(prepared.id, { tail: 20, signal: AbortSignal.timeout(5000) });
  const logTail = await readLogTail(log, 10, run.context.redactor);
  throw exitError({ id: run.id, exitCode, restartCount, oomKilled }, logTail);
}

const MOST_STARTS = 4;

/**
 * Another process that makes the network at this very moment leaves the engine with two of its name,
 * and it then refuses both, until that process has taken its own back: see {@link ensureNetwork}.
 */
async function startOnNetwork(run: StartRun, plan: WorkspacePlan, id: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await run.context.engine.containers.start(id, { signal: run.late });
      return;
    } catch (error) {
      const mayBeTheNetwork =
        plan.network !== undefined && isProvisionerError(error, "ERR_ENGINE_BAD_REQUEST");
      if (!mayBeTheNetwork || attempt === MOST_STARTS) throw error;
      run.signal?.throwIfAborted();
      await ensureNetwork(run, plan);
    }
  }
}

/** Two workspaces on the host's network cannot listen on one port; the later one gives way. */
async function checkHostPort(
  run: StartRun,
  plan: WorkspacePlan,
  prepared: Prepared,
): Promise<void> {
  const labels = [`${LABELS.tier}=4`, `${LABELS.managed}=true`];
  const others = await run.context.engine.containers.list(
    { labels, all: true },
    { signal: run.signal },
  );
  const rival = others.find(
    (other) =>
      other.id !== prepared.id &&
      other.labels[LABELS.workspace] !== run.id &&
      agentPortOf(other.labels) === plan.agentPort &&
      other.status !== "exited" &&
      other.status !== "dead",
  );
  if (rival === undefined) return;
  const owner = rival.labels[LABELS.workspace] ?? rival.name;
  throw new WorkspaceError(
    "ERR_WORKSPACE_PORT_TAKEN",
    `Port ${plan.agentPort} of the host is used by workspace ${owner}, which is on tier 4 too.`,
    {
      hint: "Set another a2a.port in the config.yaml of one of them, or use tier 3.",
      details: { port: plan.agentPort, workspace: owner },
    },
  );
}

function imageNotFound(plan: WorkspacePlan, cause?: unknown): WorkspaceError {
  const { image } = plan.container;
  return new WorkspaceError(
    "ERR_WORKSPACE_IMAGE_NOT_FOUND",
    `The image "${image}" of runtime ${plan.runtime} is not on the engine.`,
    {
      hint: `If it comes from a registry, verify its visibility for ${plan.runtime} and that this machine reaches the registry; if it is built here, build it again.`,
      cause,
      details: { image, runtime: plan.runtime },
    },
  );
}

function startFailed(id: string, error: unknown): WorkspaceError {
  const reason = error instanceof Error ? error.message : String(error);
  return new WorkspaceError(
    "ERR_WORKSPACE_START_FAILED",
    `The engine could not start workspace ${id}: ${reason}`,
    {
      hint: isProvisionerError(error) ? error.hint : undefined,
      retryable: isProvisionerError(error) && error.retryable,
      cause: error,
      details: { id, ...(isProvisionerError(error) ? { cause: error.code } : {}) },
    },
  );
}
