import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { WorkspaceStatus } from "../state/workspace-status.js";
import type { Database } from "../store/database.js";
import type { NewEvent } from "../store/events.js";
import { transition, type WorkspaceRow } from "../store/workspaces.js";
import { isAwake } from "../workspaces/lock-workspace.js";
import { provisioningEvent } from "../workspaces/provisioning-event.js";
import { requestOperation } from "../workspaces/request-operation.js";
import type { Requester } from "../workspaces/requester.js";

/** Where an agent runs, or tries to: the others read their environment when they are started. */
const RUNNING: readonly WorkspaceStatus[] = [
  "provisioning",
  "online",
  "degraded",
  "offline",
  "failed",
];

/** What the caller records, last of all in its transaction. */
export interface ChangeRestart {
  readonly operation: OperationRow;
  readonly events: readonly NewEvent[];
}

/**
 * Restarts a workspace whose environment changed, in the transaction that changes it: the restart
 * cannot be forgotten, and a second change is part of it or gets one of its own. Nothing happens to a
 * workspace that does not run, or that runs somewhere else. `row` is locked by the caller.
 */
export async function restartChanged(
  tx: Database,
  context: Pick<ServerContext, "operations">,
  row: WorkspaceRow,
  requester: Requester,
): Promise<ChangeRestart | undefined> {
  if (!RUNNING.includes(row.status) || row.runtime === "external") return undefined;
  const restarting = await transition(tx, row.id, "restart", {
    patch: { provisionStartedAt: null },
  });
  if (restarting === undefined) return undefined;
  const { operation, events } = await requestOperation(tx, context, restarting, {
    kind: "restart",
    params: { ranBefore: isAwake(row) || undefined },
    requester,
  });
  const provisioning = provisioningEvent(restarting, requester);
  return {
    operation,
    events: row.status === "provisioning" ? events : [provisioning, ...events],
  };
}
