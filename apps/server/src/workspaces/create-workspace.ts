import { createWorkspaceId } from "@molecule-ai/core";
import { insertToken, type IssuedToken } from "../access/tokens.js";
import type { FirstOperation, OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { insertRows } from "../store/insert-rows.js";
import { workspaces } from "../store/schema.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { NewWorkspace } from "./new-workspace.js";
import { checkParent } from "./place-in-tree.js";
import { provisioningEvent } from "./provisioning-event.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";

/** A workspace that may be written, and who asked for it. */
export interface WantedWorkspace {
  readonly wanted: NewWorkspace;
  readonly requester: Requester;
}

export interface CreatedWorkspace {
  readonly row: Pick<
    WorkspaceRow,
    | "id"
    | "name"
    | "tier"
    | "status"
    | "runtime"
    | "model"
    | "template"
    | "awarenessNamespace"
    | "workspaceAccess"
  >;
  readonly operations: readonly Pick<OperationRow, "id" | "workspaceId" | "state">[];
  /** With which an agent that is waited for registers. */
  readonly token: string | undefined;
}

/**
 * Writes workspaces, their secrets and the operations that start them, in the caller's transaction, of
 * which it is the last part. However many there are, it takes as many statements as for one, as long
 * as they have neither parents nor secrets nor tokens.
 *
 * @returns one for each that is wanted, in their order.
 * @throws ServerError `ERR_REQUEST_INVALID` for a parent that is not there.
 */
export async function createWorkspaces(
  tx: Database,
  context: Pick<ServerContext, "operations" | "secrets">,
  all: readonly WantedWorkspace[],
): Promise<CreatedWorkspace[]> {
  for (const { wanted } of all) {
    if (wanted.parentId !== undefined) await checkParent(tx, wanted.parentId, undefined);
  }
  const planned = all.map((one) => ({ ...one, row: planRow(one) }));
  const requested = await context.operations.requestFirst(
    tx,
    planned.filter(({ row }) => row.status === "provisioning").map(toRequest),
  );
  const operations = new Map(requested.map((first) => [first.operation.workspaceId, first]));
  await insertRows(
    tx,
    workspaces,
    planned.map(({ wanted, requester, row }) => ({
      ...row,
      role: wanted.role,
      url: wanted.url,
      parentId: wanted.parentId,
      workspaceDir: wanted.workspaceDir,
      budgetLimit: wanted.budgetLimit,
      maxConcurrentTasks: wanted.maxConcurrentTasks,
      hibernationIdleMinutes: wanted.hibernationIdleMinutes,
      canvasX: wanted.canvas.x,
      canvasY: wanted.canvas.y,
      lastOperationId: operations.get(row.id)?.operation.id,
      createdBy: requester.actor,
    })),
  );
  const created: CreatedWorkspace[] = [];
  const events: NewEvent[] = [];
  for (const { wanted, requester, row } of planned) {
    for (const [key, value] of Object.entries(wanted.secrets)) {
      await context.secrets.save(tx, { scope: "workspace", workspaceId: row.id, key }, value);
    }
    const first = operations.get(row.id);
    const token =
      row.runtime === EXTERNAL_RUNTIME
        ? await insertToken(tx, {
            workspaceId: row.id,
            operationId: undefined,
            createdBy: requester.actor,
          })
        : undefined;
    created.push({
      row,
      operations: first === undefined ? [] : [first.operation],
      token: token?.token,
    });
    events.push(...eventsOf(row, requester, { first, token }));
  }
  await recordEvents(tx, events);
  return created;
}

function planRow({ wanted }: WantedWorkspace): CreatedWorkspace["row"] {
  const id = createWorkspaceId();
  const isReachable = wanted.url !== undefined;
  return {
    id,
    name: wanted.name,
    tier: wanted.tier,
    status:
      wanted.runtime === EXTERNAL_RUNTIME
        ? isReachable
          ? "online"
          : "awaiting_agent"
        : "provisioning",
    runtime: wanted.runtime,
    model: wanted.model ?? null,
    template: wanted.template ?? null,
    awarenessNamespace: `workspace:${id}`,
    workspaceAccess: wanted.workspaceAccess,
  };
}

function toRequest({ wanted, requester, row }: WantedWorkspace & Pick<CreatedWorkspace, "row">) {
  return {
    workspaceId: row.id,
    runtime: row.runtime,
    kind: "provision" as const,
    hostId: undefined,
    params: wanted.template === undefined ? {} : { template: wanted.template },
    requestedBy: requester.actor,
    requestId: requester.requestId,
  };
}

function eventsOf(
  row: CreatedWorkspace["row"],
  requester: Requester,
  made: { readonly first: FirstOperation | undefined; readonly token: IssuedToken | undefined },
): NewEvent[] {
  const provisioning = provisioningEvent(row, requester);
  if (made.first !== undefined) return [provisioning, ...made.first.events];
  const type = row.status === "online" ? "WORKSPACE_ONLINE" : "WORKSPACE_AWAITING_AGENT";
  const events: NewEvent[] = [{ ...provisioning, type }];
  if (made.token !== undefined) {
    events.push({
      type: "TOKEN_ISSUED",
      workspaceId: row.id,
      ...requester,
      payload: { token_id: made.token.id, prefix: made.token.prefix },
    });
  }
  return events;
}
