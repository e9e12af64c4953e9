import { ServerError } from "../errors.js";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { isAwake, lockWorkspace, workspaceNotFound } from "./lock-workspace.js";
import { requestOperation } from "./request-operation.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";

export type Hibernation =
  | { readonly kind: "tasks-active"; readonly activeTasks: number }
  | {
      readonly kind: "hibernating";
      readonly interruptedTasks: number;
      readonly operation: OperationRow;
    };

/**
 * Stops an idle workspace until somebody needs it. Tasks under way keep it awake; with `force` they
 * are cut off.
 *
 * @throws ServerError `ERR_NOT_FOUND` also for one that is neither online nor degraded,
 *   `ERR_CONFLICT` for an external one.
 */
export async function hibernateWorkspace(
  context: ServerContext,
  id: string,
  options: { readonly force: boolean },
  requester: Requester,
): Promise<Hibernation> {
  return context.store.db.transaction(async (tx): Promise<Hibernation> => {
    // Held, so that no heartbeat brings a task between the look at it and the change.
    const row = await lockWorkspace(tx, id);
    if (row === undefined || !isAwake(row)) {
      throw workspaceNotFound(id, "or it is neither online nor degraded");
    }
    if (row.runtime === EXTERNAL_RUNTIME) {
      throw new ServerError("ERR_CONFLICT", `Workspace ${id} is external and cannot hibernate.`, {
        hint: "Stop its agent where it runs, or pause the workspace.",
      });
    }
    if (row.activeTasks > 0 && !options.force) {
      return { kind: "tasks-active", activeTasks: row.activeTasks };
    }
    const hibernating = await transition(tx, id, "hibernate");
    if (hibernating === undefined) throw new Error("the status of a locked row changed");
    const { operation, events } = await requestOperation(tx, context, hibernating, {
      kind: "hibernate",
      requester,
    });
    await recordEvents(tx, events);
    return { kind: "hibernating", interruptedTasks: row.activeTasks, operation };
  });
}
