import { isProvisionerError } from "@molecule-ai/core";
import type { ContainerInfo } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import { containerName, nextContainerName, previousContainerName } from "../names.js";
import type { CreatedContainer } from "./create-container.js";
import { explainNameConflict } from "./name-conflict.js";
import { belongsTo } from "./ownership.js";
import type { StartRun } from "./start-run.js";

/** What settling needs of a start. */
export type SettlingRun = Pick<
  StartRun,
  "context" | "id" | "signal" | "late" | "onEvent" | "isAbandoned"
>;

/**
 * The workspace that will be replaced, after what an interrupted swap left is cleared away: a
 * replacement that never ran goes, and the replaced one gets its name back; once the replacement
 * ran, it stays and the replaced one goes. `ERR_WORKSPACE_BUSY` while a swap is under way.
 */
export async function settleInterruptedSwap(run: SettlingRun): Promise<ContainerInfo | undefined> {
  const { containers } = run.context.engine;
  const [named, next, previous] = await Promise.all(
    [containerName(run.id), nextContainerName(run.id), previousContainerName(run.id)].map((name) =>
      containers.inspect(name, { signal: run.signal }),
    ),
  );
  if (named !== undefined && !isOurs(run, named)) throw nameTaken(run, named);
  const waiting = isOurs(run, next) ? next : undefined;
  const replaced = isOurs(run, previous) ? previous : undefined;
  if (waiting !== undefined) await removeLeftover(run, waiting);
  if (replaced === undefined) {
    if (named === undefined || named.state.startedAt !== undefined) return named;
    // A first start that was cut off: there is nothing to keep, and nothing to come back to.
    await removeLeftover(run, named);
    return undefined;
  }

  if (named === undefined) {
    await containers.rename(replaced.id, containerName(run.id), {
      signal: run.late,
    });
    tell(run, `interrupted swap: ${replaced.name} got its name back`);
    return containers.inspect(replaced.id, { signal: run.signal });
  }
  if (named.state.startedAt === undefined) {
    await removeLeftover(run, named);
    await containers.rename(replaced.id, containerName(run.id), {
      signal: run.late,
    });
    tell(run, `interrupted swap: ${replaced.name} got its name back`);
    return containers.inspect(replaced.id, { signal: run.signal });
  }
  // Its replacement ran; whether it proved itself nobody knows, but it is the newer wish.
  if (!run.isAbandoned(named.labels)) throw busy(run);
  await removeLeftover(run, replaced, named);
  return named;
}

/** Registers the last step back: the old container runs again as it did, with its files restored. */
export function keepRunning(run: StartRun, old: ContainerInfo): void {
  if (!old.state.running) return;
  const { containers } = run.context.engine;
  const graceSeconds = Math.min(run.context.stopGraceSeconds, 5);
  const isPaused = old.state.status === "paused";
  run.undo.push(async (signal) => {
    // A stop whose call broke off still goes on in the engine; a start before its end would be lost.
    if (run.doubt.stop) await containers.stop(old.id, { graceSeconds, signal });
    const now = await containers.inspect(old.id, { signal });
    const isAsBefore = now?.state.running === true && (now.state.status === "paused") === isPaused;
    if (now === undefined || isAsBefore) return undefined;
    if (!now.state.running) await containers.start(old.id, { signal });
    if (isPaused) await containers.pause(old.id, { signal });
    return `workspace ${run.id} runs again as before`;
  });
}

/**
 * Stops the old container, moves it aside and gives its name to the prepared one. Each step is on
 * the undo stack, so that a failure brings the old one back as it was.
 */
export async function swapIn(
  run: StartRun,
  prepared: CreatedContainer,
  old: ContainerInfo,
): Promise<void> {
  const { containers } = run.context.engine;
  const name = containerName(run.id);
  if (old.state.status === "paused") {
    await containers.unpause(old.id, { signal: run.late });
  }
  if (old.state.running) {
    const graceSeconds = run.context.stopGraceSeconds;
    run.doubt.stop = true;
    // Not even an abort cuts it off: it takes no longer than the grace.
    await containers.stop(old.id, { graceSeconds });
    run.doubt.stop = false;
  }
  run.signal?.throwIfAborted();

  run.undo.push(async (signal) => {
    const now = await containers.inspect(old.id, { signal });
    if (now === undefined || now.name === name) return undefined;
    await containers.rename(old.id, name, { signal });
    return `container ${previousContainerName(run.id)} renamed back`;
  });
  await containers.rename(old.id, previousContainerName(run.id), {
    signal: run.late,
  });

  // Goes first when all is taken back: the old one needs the name.
  run.undo.push(async (signal) => {
    const removed = await containers.remove(prepared.id, { force: true, signal });
    return removed ? `container ${name} removed` : undefined;
  });
  await containers.rename(prepared.id, name, { signal: run.late });
}

/** The new one has proved itself: the old one goes. What fails here is only a leftover. */
export async function removeReplaced(run: StartRun, old: ContainerInfo): Promise<void> {
  try {
    await run.context.engine.containers.remove(old.id, {
      force: true,
    });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    run.onEvent?.({
      type: "warning",
      code: "WARN_WORKSPACE_LEFTOVER",
      message: `The replaced container ${previousContainerName(run.id)} could not be removed: ${reason}`,
      hint: "The next restart removes it.",
    });
  }
}

function isOurs(
  run: SettlingRun,
  container: ContainerInfo | undefined,
): container is ContainerInfo {
  return container !== undefined && belongsTo(container.labels, run.context.installId, run.id);
}

async function removeLeftover(
  run: SettlingRun,
  container: ContainerInfo,
  witness: ContainerInfo = container,
): Promise<void> {
  if (!run.isAbandoned(witness.labels)) throw busy(run);
  try {
    await run.context.engine.containers.remove(container.id, {
      force: true,
      signal: run.late,
    });
  } catch (error) {
    if (!isProvisionerError(error, "ERR_ENGINE_CONFLICT")) throw error;
    throw busy(run);
  }
  tell(run, `leftover ${container.name} of an interrupted swap removed`);
}

function tell(run: SettlingRun, what: string): void {
  run.onEvent?.({ type: "undone", what });
}

function nameTaken(run: SettlingRun, holder: ContainerInfo): Error {
  const conflict = explainNameConflict(run, holder.name, holder);
  return conflict.kind === "refused" ? conflict.error : busy(run);
}

function busy(run: SettlingRun): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_BUSY", `Workspace ${run.id} is being replaced.`, {
    hint: "Wait for that restart to end, then try again.",
    retryable: true,
    details: { id: run.id },
  });
}
