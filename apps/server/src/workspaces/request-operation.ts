import type { OperationParams } from "../operations/operation-params.js";
import type { RequestedOperation } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import type { OperationKind } from "../state/operation-state.js";
import type { Database } from "../store/database.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import type { Requester } from "./requester.js";

/** Asks for the operation that explains what the caller wrote to `row` in the same transaction. */
export async function requestOperation(
  tx: Database,
  context: Pick<ServerContext, "operations">,
  row: WorkspaceRow,
  requested: {
    readonly kind: OperationKind;
    readonly params?: OperationParams | undefined;
    readonly requester: Requester;
  },
): Promise<RequestedOperation> {
  const { actor, requestId } = requested.requester;
  return context.operations.request(tx, {
    workspaceId: row.id,
    runtime: row.runtime,
    kind: requested.kind,
    hostId: row.hostId ?? undefined,
    params: withoutUndefined(requested.params ?? {}),
    requestedBy: actor,
    requestId,
  });
}

/** JSON has no undefined, and what is joined must not be overwritten by it. */
function withoutUndefined(params: OperationParams): Record<string, string | boolean> {
  return Object.fromEntries(
    Object.entries(params).filter((entry): entry is [string, string | boolean] => {
      return entry[1] !== undefined;
    }),
  );
}
