import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { transition } from "../store/workspaces.js";
import { lockPresentWorkspace } from "./lock-workspace.js";
import type { Requester } from "./requester.js";

/** As much of a log as is kept. */
const MOST_LOG_TAIL = 8192;
const MOST_MESSAGE = 1000;

/**
 * Takes the word of whoever watches a workspace boot that it will not come up. What was made of it is
 * cleaned up by the cancelled operation.
 *
 * @returns false when it is not provisioning any more: then nothing changed.
 * @throws ServerError `ERR_NOT_FOUND`
 */
export async function failBootstrap(
  context: ServerContext,
  id: string,
  report: { readonly error: string | undefined; readonly logTail: string | undefined },
  requester: Requester,
): Promise<boolean> {
  // Masked before it is cut: a cut could leave half a secret that nothing recognises.
  const redact = (text: string): string => context.redactor.redact(text);
  const error = wellFormed(redact(report.error ?? "").slice(0, MOST_MESSAGE)) || "bootstrap failed";
  const logTail = wellFormed(redact(report.logTail ?? "").slice(-MOST_LOG_TAIL));
  const failed = await context.store.db.transaction(async (tx) => {
    await lockPresentWorkspace(tx, id);
    const row = await transition(tx, id, "fail", { patch: { lastSampleError: error } });
    if (row === undefined) return undefined;
    await recordEvents(tx, [
      {
        type: "WORKSPACE_PROVISION_FAILED",
        workspaceId: id,
        operationId: row.lastOperationId ?? undefined,
        ...requester,
        payload: { name: row.name, error, log_tail: logTail, source: "bootstrap_failed" },
      },
    ]);
    return row;
  });
  if (failed === undefined) return false;
  if (failed.lastOperationId !== null) {
    await context.operations.cancel(failed.lastOperationId, requester);
  }
  return true;
}

/** Half a character that a cut left over is no text; neither database nor JSON would take it. */
function wellFormed(text: string): string {
  return Buffer.from(text, "utf8").toString("utf8");
}
