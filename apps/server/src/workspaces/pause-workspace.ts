import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { transition, type WorkspaceRow } from "../store/workspaces.js";
import { lockWorkspace, workspaceNotFound } from "./lock-workspace.js";
import type { Requester } from "./requester.js";
import { requestForEach, writeDescendants } from "./subtree.js";

/**
 * Pauses a workspace and all below it; those that are paused already stay so.
 *
 * @throws ServerError `ERR_NOT_FOUND` also for one that is paused.
 */
export async function pauseWorkspace(
  context: ServerContext,
  id: string,
  requester: Requester,
): Promise<{ readonly paused: number; readonly operations: readonly OperationRow[] }> {
  return context.store.db.transaction(async (tx) => {
    await lockWorkspace(tx, id);
    const pause = (workspaceId: string): Promise<WorkspaceRow | undefined> =>
      transition(tx, workspaceId, "pause");
    const root = await pause(id);
    if (root === undefined) throw workspaceNotFound(id, "or it is paused already");
    const paused = [root, ...(await writeDescendants(tx, id, pause))];
    const requested = await requestForEach(tx, context, paused, { kind: "pause", requester });
    await recordEvents(tx, [
      ...requested.events,
      ...paused.map((row): NewEvent => {
        return {
          type: "WORKSPACE_PAUSED",
          workspaceId: row.id,
          ...requester,
          payload: { name: row.name, paused_with: row.id === id ? null : id },
        };
      }),
    ]);
    return { paused: paused.length, operations: requested.operations };
  });
}
