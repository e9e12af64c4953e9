import { createWorkspaceId } from "@molecule-ai/core";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { NewWorkspace } from "./new-workspace.js";
import { checkParent } from "./place-in-tree.js";
import { provisioningEvent } from "./provisioning-event.js";
import { requestOperation } from "./request-operation.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";

export interface CreatedWorkspace {
  readonly row: WorkspaceRow;
  readonly operations: readonly OperationRow[];
  /** With which an agent that is waited for registers. */
  readonly token: string | undefined;
}

/**
 * Writes a workspace, its secrets and the operation that starts it, in the caller's transaction, of
 * which it is the last part.
 *
 * @throws ServerError `ERR_REQUEST_INVALID` for a parent that is not there.
 */
export async function createWorkspace(
  tx: Database,
  context: ServerContext,
  wanted: NewWorkspace,
  requester: Requester,
): Promise<CreatedWorkspace> {
  if (wanted.parentId !== undefined) await checkParent(tx, wanted.parentId, undefined);
  const id = createWorkspaceId();
  const isExternal = wanted.runtime === EXTERNAL_RUNTIME;
  const [row] = await tx
    .insert(workspaces)
    .values({
      id,
      name: wanted.name,
      role: wanted.role,
      tier: wanted.tier,
      status: isExternal
        ? wanted.url === undefined
          ? "awaiting_agent"
          : "online"
        : "provisioning",
      runtime: wanted.runtime,
      model: wanted.model,
      template: wanted.template,
      url: wanted.url,
      parentId: wanted.parentId,
      awarenessNamespace: `workspace:${id}`,
      workspaceDir: wanted.workspaceDir,
      workspaceAccess: wanted.workspaceAccess,
      budgetLimit: wanted.budgetLimit,
      maxConcurrentTasks: wanted.maxConcurrentTasks,
      hibernationIdleMinutes: wanted.hibernationIdleMinutes,
      canvasX: wanted.canvas.x,
      canvasY: wanted.canvas.y,
      createdBy: requester.actor,
    })
    .returning();
  if (row === undefined) throw new Error("an insert returned no row");
  for (const [key, value] of Object.entries(wanted.secrets)) {
    await context.secrets.save(tx, { scope: "workspace", workspaceId: id, key }, value);
  }
  if (isExternal) {
    const issued =
      row.status === "awaiting_agent"
        ? await context.tokens.issue(tx, {
            workspaceId: id,
            operationId: undefined,
            createdBy: requester.actor,
          })
        : undefined;
    const events: NewEvent[] = [
      {
        type: issued === undefined ? "WORKSPACE_ONLINE" : "WORKSPACE_AWAITING_AGENT",
        workspaceId: id,
        ...requester,
        payload: { name: row.name, tier: row.tier, runtime: row.runtime },
      },
    ];
    if (issued !== undefined) {
      events.push({
        type: "TOKEN_ISSUED",
        workspaceId: id,
        ...requester,
        payload: { token_id: issued.id, prefix: issued.prefix },
      });
    }
    await recordEvents(tx, events);
    return { row, operations: [], token: issued?.token };
  }
  const { operation, events } = await requestOperation(tx, context, row, {
    kind: "provision",
    params: { template: wanted.template },
    requester,
  });
  await recordEvents(tx, [provisioningEvent(row, requester), ...events]);
  return { row, operations: [operation], token: undefined };
}
