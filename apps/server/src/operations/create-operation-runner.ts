import type { RunnerContext } from "./runner-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { patchWorkspace, transition } from "../store/workspaces.js";
import { purgeWorkspace } from "../workspaces/purge-workspace.js";
import { finishStart } from "./finish-start.js";
import { operationParams } from "./operation-params.js";
import type { OperationEnding, OperationRow, OperationRunner } from "./operation.js";
import { runStart, type StartResult } from "./run-start.js";
import { runRemove, runStop } from "./run-stop.js";

const ACTOR = "system:worker";

/** Far more than can run at once. */
const MOST_RESULTS = 1000;

/** Does the work of operations on the engine of this process, and writes what their ends mean. */
export function createOperationRunner(context: RunnerContext): OperationRunner {
  /**
   * What the last starts came to, for the transactions that end them: each may be tried again, so
   * what one has read stays for the next.
   */
  const results = new Map<string, StartResult>();
  const remember = (operationId: string, result: StartResult): void => {
    results.set(operationId, result);
    const [oldest] = results.keys();
    if (results.size > MOST_RESULTS && oldest !== undefined) results.delete(oldest);
  };

  return {
    async run(operation, run) {
      results.delete(operation.id);
      switch (operation.kind) {
        case "provision":
        case "restart":
        case "resume": {
          const result = await runStart(context, operation, run, (told) =>
            remember(operation.id, told),
          );
          return { timings: result?.timings };
        }
        case "pause":
        case "hibernate":
          await runStop(context, operation, run);
          return {};
        case "remove":
          await runRemove(context, operation, run);
          return {};
        default:
          return operation.kind satisfies never;
      }
    },

    async finish(tx, operation, ending, next) {
      const result = results.get(operation.id);
      const hasNext = next !== undefined;
      switch (operation.kind) {
        case "provision":
        case "restart":
        case "resume":
          await recordEvents(
            tx,
            await finishStart(tx, context.tokens, { operation, ending, result, hasNext }),
          );
          break;
        case "pause":
          await finishPause(tx, operation, ending);
          break;
        case "hibernate":
          await recordEvents(tx, await finishHibernation(tx, operation, ending, hasNext));
          break;
        case "remove":
          await recordEvents(tx, await finishRemoval(tx, context, operation, ending));
          break;
        default:
          operation.kind satisfies never;
      }
    },
  };
}

/** It was paused when that was asked for; only what went wrong is to be said. */
async function finishPause(
  tx: Database,
  operation: OperationRow,
  ending: OperationEnding,
): Promise<void> {
  if (ending.state !== "failed") return;
  await patchWorkspace(tx, operation.workspaceId, { lastSampleError: ending.error.message });
}

async function finishHibernation(
  tx: Database,
  operation: OperationRow,
  ending: OperationEnding,
  hasNext: boolean,
): Promise<NewEvent[]> {
  if (hasNext) return [];
  const { workspaceId, id: operationId } = operation;
  const name = ending.state === "succeeded" ? "asleep" : "stayAwake";
  const patch = ending.state === "succeeded" ? {} : { lastSampleError: ending.error.message };
  const row = await transition(tx, workspaceId, name, { patch });
  if (row === undefined) return [];
  const type = ending.state === "succeeded" ? "WORKSPACE_HIBERNATED" : "WORKSPACE_ONLINE";
  return [{ type, workspaceId, operationId, actor: ACTOR, payload: { name: row.name } }];
}

async function finishRemoval(
  tx: Database,
  context: RunnerContext,
  operation: OperationRow,
  ending: OperationEnding,
): Promise<NewEvent[]> {
  const { workspaceId, id: operationId } = operation;
  // An attempt that was under way when it was removed may have made one since.
  await context.tokens.revokeAll(tx, workspaceId);
  if (ending.state !== "succeeded") return [];
  const { purge } = operationParams.parse(operation.params);
  if (purge !== true) return [];
  const events = await purgeWorkspace(tx, workspaceId, {
    actor: operation.requestedBy,
    requestId: undefined,
  });
  return events.map((event) => ({ ...event, operationId }));
}
