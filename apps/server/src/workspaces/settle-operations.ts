import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";

/** How long an answer waits for the operations it led to. */
const ANSWER_WITHIN_MS = 30_000;

/** The operations once they are finished, or as they are after 30 s or when the server stops. */
export async function settleOperations(
  context: ServerContext,
  requested: readonly OperationRow[],
): Promise<OperationRow[]> {
  if (requested.length === 0) return [];
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(), ANSWER_WITHIN_MS);
  const signal = AbortSignal.any([timer.signal, context.shutdown]);
  try {
    return await Promise.all(
      requested.map(async (row) => (await context.operations.settled(row.id, { signal })) ?? row),
    );
  } finally {
    clearTimeout(timeout);
  }
}

export function toOperationRefs(
  rows: readonly Pick<OperationRow, "id" | "workspaceId" | "state">[],
) {
  return rows.map(({ id, workspaceId, state }) => ({ id, workspace_id: workspaceId, state }));
}

/** What became of the containers that could not be stopped, for an answer. */
export function toStopFailures(rows: readonly OperationRow[]) {
  return rows
    .filter(({ state }) => state === "failed")
    .map(({ id, workspaceId, errorCode, errorMessage }) => ({
      workspace_id: workspaceId,
      operation_id: id,
      code: errorCode ?? "ERR_INTERNAL",
      message: errorMessage ?? "",
    }));
}
