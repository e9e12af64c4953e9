import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import {
  confirmationAnswer,
  removedAnswer,
  stopIncompleteAnswer,
  updatedAnswer,
} from "../api/workspace-answers.js";
import { patchWorkspaceBody } from "../api/workspace-body.js";
import { removeWorkspaceQuery, workspaceParams } from "../api/workspace-query.js";
import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { changeWorkspace } from "../workspaces/patch-workspace.js";
import { removeWorkspace } from "../workspaces/remove-workspace.js";
import { requesterOf } from "../workspaces/requester.js";
import {
  settleOperations,
  toOperationRefs,
  toStopFailures,
} from "../workspaces/settle-operations.js";

/** Changes workspaces, and removes them. */
export function registerWorkspaceChange(app: App, context: ServerContext): void {
  app.patch(
    "/workspaces/:id",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Change a workspace",
        description:
          "Tier, parent, runtime, workspace directory and access are the administrator's to change.",
        params: workspaceParams,
        body: patchWorkspaceBody,
        response: { 200: updatedAnswer, 404: errorBody },
      },
    },
    async (request) => {
      const { needsRestart } = await changeWorkspace(
        context,
        request.params.id,
        request.body,
        request.caller,
        requesterOf(request),
      );
      return { status: "updated" as const, ...(needsRestart ? { needs_restart: true } : {}) };
    },
  );

  app.delete(
    "/workspaces/:id",
    {
      config: { access: "admin" },
      schema: {
        tags: ["workspaces"],
        summary: "Remove a workspace, with confirm=true all below it too",
        params: workspaceParams,
        querystring: removeWorkspaceQuery,
        response: {
          200: removedAnswer,
          404: errorBody,
          409: confirmationAnswer,
          500: z.union([stopIncompleteAnswer, errorBody]),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const { confirm = false, purge = false, keep_volumes: keepVolumes = false } = request.query;
      const options = { confirm, purge, keepVolumes };
      const removal = await removeWorkspace(context, id, options, requesterOf(request));
      if (removal.kind === "confirmation-required") {
        return reply.code(409).send({
          error: `Workspace ${id} has others below it, which would be removed too.`,
          code: "ERR_CONFLICT",
          hint: "Repeat the request with confirm=true.",
          status: "confirmation_required",
          children: [...removal.children],
          children_count: removal.children.length,
          descendants_count: removal.descendants,
        });
      }
      const settled = await settleOperations(context, removal.operations);
      const failures = toStopFailures(settled);
      if (failures.length > 0) {
        return reply.code(500).send({
          error: `Removed, but not cleaned up on the engine: ${failures.length} of ${settled.length}.`,
          code: "ERR_STOP_INCOMPLETE",
          hint: "Repeat the request once the engine answers; nothing of it runs for anybody else.",
          removed_count: removal.removed,
          stop_failures: failures.length,
          failures,
        });
      }
      return {
        status: purge ? ("purged" as const) : ("removed" as const),
        cascade_deleted: Math.max(0, removal.removed - 1),
        operations: toOperationRefs(settled),
      };
    },
  );
}
