import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { findWorkspaceRow, transition, type WorkspaceRow } from "../store/workspaces.js";
import { lockWorkspace, refusePausedAncestor, workspaceNotFound } from "./lock-workspace.js";
import { provisioningEvent } from "./provisioning-event.js";
import { requireBackend } from "./require-backend.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME, requestForEach, writeDescendants } from "./subtree.js";

export interface Resumption {
  readonly root: WorkspaceRow;
  readonly resumed: number;
  readonly operations: readonly OperationRow[];
}

/**
 * Resumes a paused workspace and those below it that are paused.
 *
 * @throws ServerError `ERR_NOT_FOUND` also for one that is not paused, `ERR_CONFLICT` when one above
 *   is paused, `ERR_ENGINE_UNAVAILABLE`.
 */
export async function resumeWorkspace(
  context: ServerContext,
  id: string,
  requester: Requester,
): Promise<Resumption> {
  const { db } = context.store;
  const found = await findWorkspaceRow(db, id);
  if (found?.status !== "paused") throw workspaceNotFound(id, "or it is not paused");
  if (found.runtime !== EXTERNAL_RUNTIME) await requireBackend(context);
  return db.transaction(async (tx) => {
    const resume = async (workspaceId: string): Promise<WorkspaceRow | undefined> => {
      const row = await lockWorkspace(tx, workspaceId);
      if (row?.status !== "paused") return undefined;
      return row.runtime === EXTERNAL_RUNTIME
        ? transition(tx, workspaceId, "reattach")
        : transition(tx, workspaceId, "resume", { patch: { provisionStartedAt: null } });
    };
    const root = await resume(id);
    if (root === undefined) throw workspaceNotFound(id, "or it is not paused");
    await refusePausedAncestor(tx, id);
    const resumed = [root, ...(await writeDescendants(tx, id, resume))];
    const requested = await requestForEach(tx, context, resumed, { kind: "resume", requester });
    await recordEvents(tx, [
      ...requested.events,
      ...resumed.map((row): NewEvent => {
        return row.runtime === EXTERNAL_RUNTIME
          ? {
              type: "WORKSPACE_AWAITING_AGENT",
              workspaceId: row.id,
              ...requester,
              payload: { name: row.name },
            }
          : provisioningEvent(row, requester);
      }),
    ]);
    return { root, resumed: resumed.length, operations: requested.operations };
  });
}
