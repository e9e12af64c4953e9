import { isProvisionerError } from "@molecule-ai/core";
import type { ContainerInfo } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import { outlast, type DockerContext } from "./context.js";
import { findContainer, requireContainer } from "./ownership.js";

interface StopOptions {
  readonly signal?: AbortSignal | undefined;
  readonly graceSeconds?: number | undefined;
}

/** See `WorkspaceBackend.stop`. */
export async function stopWorkspace(
  context: DockerContext,
  id: string,
  options: StopOptions = {},
): Promise<boolean> {
  const container = await findContainer(context, id, options.signal);
  if (container === undefined) return false;
  return stopContainer(context, container, options);
}

/**
 * Stops one container for good: after an engine's stop the restart policy leaves it alone. False
 * when it is gone. A failure is `ERR_WORKSPACE_STOP_FAILED`, and nothing may be removed after it.
 */
export async function stopContainer(
  context: DockerContext,
  container: ContainerInfo,
  options: StopOptions,
): Promise<boolean> {
  const { containers } = context.engine;
  const { signal } = options;
  const graceSeconds = options.graceSeconds ?? context.stopGraceSeconds;
  const { id } = container;
  try {
    // A frozen process takes no signal.
    if (container.state.status === "paused") await containers.unpause(id, { signal });
    return await containers.stop(id, { graceSeconds, signal: stopSignal(signal, graceSeconds) });
  } catch (error) {
    signal?.throwIfAborted();
    if (isProvisionerError(error, "ERR_ENGINE_CONFLICT")) {
      const now = await containers.inspect(id, { signal });
      if (now === undefined) return false;
      if (!now.state.running || now.state.status === "removing") return true;
    }
    throw new WorkspaceError(
      "ERR_WORKSPACE_STOP_FAILED",
      `Container ${container.name} could not be stopped: ${error instanceof Error ? error.message : String(error)}`,
      {
        hint: "Its volumes were left alone. Look at the engine, then try again.",
        cause: error,
        retryable: isProvisionerError(error) && error.retryable,
        details: { name: container.name },
      },
    );
  }
}

export async function pauseWorkspace(
  context: DockerContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const container = await requireContainer(context, id, signal);
  if (container.state.status === "paused") return;
  requireRunning(container, id);
  await context.engine.containers.pause(container.id, { signal });
}

/** Thaws a paused workspace, or starts a stopped one again. */
export async function resumeWorkspace(
  context: DockerContext,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const container = await requireContainer(context, id, signal);
  const { containers } = context.engine;
  if (container.state.status === "paused") await containers.unpause(container.id, { signal });
  else if (!container.state.running) {
    using late = outlast(signal);
    await containers.start(container.id, { signal: late.signal });
  }
}

/** Throws `ERR_WORKSPACE_NOT_RUNNING`. */
export function requireRunning(container: ContainerInfo, id: string): void {
  const { running, status } = container.state;
  if (running && status !== "restarting") return;
  throw new WorkspaceError("ERR_WORKSPACE_NOT_RUNNING", `Workspace ${id} is ${status}.`, {
    hint: "Restart it first.",
    details: { id, status },
  });
}

/** The engine answers a stop only when the grace is over. */
function stopSignal(signal: AbortSignal | undefined, graceSeconds: number): AbortSignal {
  const limit = AbortSignal.timeout((graceSeconds + 60) * 1000);
  return signal === undefined ? limit : AbortSignal.any([signal, limit]);
}
