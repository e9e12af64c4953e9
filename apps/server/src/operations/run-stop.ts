import { operationParams } from "./operation-params.js";
import type { OperationRow, RunContext } from "./operation.js";
import type { RunnerContext } from "./runner-context.js";

/** Pause and hibernate: the container stays, stopped; so does its storage. */
export async function runStop(
  context: RunnerContext,
  operation: OperationRow,
  run: RunContext,
): Promise<void> {
  const { backend } = context.host.require();
  const { signal, onEvent } = run;
  run.signal.throwIfAborted();
  // What an interrupted start left would otherwise lie about as long as the workspace sleeps.
  await backend.settle(operation.workspaceId, { takeOver: true, signal, onEvent });
  await backend.stop(operation.workspaceId, { signal });
}

/** Nothing of the workspace stays on the engine, unless its storage is kept. */
export async function runRemove(
  context: RunnerContext,
  operation: OperationRow,
  run: RunContext,
): Promise<void> {
  const { backend } = context.host.require();
  const { keepVolumes } = operationParams.parse(operation.params);
  const { signal } = run;
  const { removed } = await backend.remove(operation.workspaceId, { keepVolumes, signal });
  for (const name of removed) run.onEvent({ type: "undone", what: `${name} removed` });
}
