import { ServerError } from "../errors.js";
import type { OperationRow } from "../operations/operation.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { findWorkspaceRow, transition } from "../store/workspaces.js";
import {
  isAwake,
  lockPresentWorkspace,
  refusePausedAncestor,
  workspaceNotFound,
} from "./lock-workspace.js";
import { provisioningEvent } from "./provisioning-event.js";
import { requestOperation } from "./request-operation.js";
import { requireBackend } from "./require-backend.js";
import type { Requester } from "./requester.js";
import { chooseRestartTemplate, type RestartTemplateRequest } from "./restart-template.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";

export interface RestartRequest extends RestartTemplateRequest {
  readonly reset: boolean;
  readonly upgrade: boolean;
}

export interface Restart {
  readonly operation: OperationRow;
  /** Undefined: its configuration stays, or with `rebuildConfig` is made without a template. */
  readonly template: string | undefined;
}

/**
 * Starts a workspace anew, whatever it is doing, with the image it has unless `upgrade`.
 *
 * @throws ServerError `ERR_NOT_FOUND`, `ERR_CONFLICT` when it or one above is paused, when it is
 *   external, and while it is falling asleep; `ERR_ENGINE_UNAVAILABLE`.
 */
export async function restartWorkspace(
  context: ServerContext,
  id: string,
  request: RestartRequest,
  requester: Requester,
): Promise<Restart> {
  const { db } = context.store;
  const found = await findWorkspaceRow(db, id);
  if (found === undefined || found.status === "removed") throw workspaceNotFound(id);
  if (found.runtime === EXTERNAL_RUNTIME) {
    throw new ServerError("ERR_CONFLICT", `Workspace ${id} is external and is not started here.`, {
      hint: "Start its agent where it runs; it registers by itself.",
    });
  }
  await requireBackend(context);
  const template = await chooseRestartTemplate(
    found,
    request,
    async (name) => (await context.templates.find(name)) !== undefined,
  );
  return db.transaction(async (tx) => {
    const row = await lockPresentWorkspace(tx, id);
    if (row.status === "paused") throw isPaused(id);
    await refusePausedAncestor(tx, id);
    const restarting = await transition(tx, id, "restart", {
      patch: { provisionStartedAt: null, ...(template === undefined ? {} : { template }) },
    });
    if (restarting === undefined) {
      throw new ServerError("ERR_CONFLICT", `Workspace ${id} is ${row.status} just now.`, {
        hint: "Try again in a moment.",
        retryable: true,
      });
    }
    const { operation, events } = await requestOperation(tx, context, restarting, {
      kind: "restart",
      params: {
        template,
        rebuildConfig: request.rebuildConfig || undefined,
        reset: request.reset || undefined,
        upgrade: request.upgrade || undefined,
        ranBefore: isAwake(row) || undefined,
      },
      requester,
    });
    await recordEvents(tx, [...events, provisioningEvent(restarting, requester)]);
    return { operation, template };
  });
}

function isPaused(id: string): ServerError {
  return new ServerError("ERR_CONFLICT", `Workspace ${id} is paused.`, {
    hint: `Resume it: POST /workspaces/${id}/resume.`,
  });
}
