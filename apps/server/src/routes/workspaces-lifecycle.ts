import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import { unsaid } from "../api/stored-text.js";
import {
  hibernatedAnswer,
  pausedAnswer,
  restartedAnswer,
  resumedAnswer,
  stopIncompleteAnswer,
  tasksActiveAnswer,
} from "../api/workspace-answers.js";
import { restartWorkspaceBody } from "../api/workspace-body.js";
import {
  hibernateWorkspaceQuery,
  restartWorkspaceQuery,
  workspaceParams,
} from "../api/workspace-query.js";
import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { hibernateWorkspace } from "../workspaces/hibernate-workspace.js";
import { pauseWorkspace } from "../workspaces/pause-workspace.js";
import { requesterOf } from "../workspaces/requester.js";
import { restartWorkspace } from "../workspaces/restart-workspace.js";
import { resumeWorkspace } from "../workspaces/resume-workspace.js";
import {
  settleOperations,
  toOperationRefs,
  toStopFailures,
} from "../workspaces/settle-operations.js";
import { EXTERNAL_RUNTIME } from "../workspaces/subtree.js";

/** Starts and stops the containers of workspaces. */
export function registerWorkspaceLifecycle(app: App, context: ServerContext): void {
  app.post(
    "/workspaces/:id/restart",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Start a workspace anew, with the image it has unless upgrade",
        params: workspaceParams,
        querystring: restartWorkspaceQuery,
        body: restartWorkspaceBody,
        response: { 200: restartedAnswer, 404: errorBody, 409: errorBody },
      },
    },
    async (request) => {
      const body = request.body ?? {};
      const reset = request.query.reset ?? body.reset ?? false;
      const rebuildConfig = body.rebuild_config ?? false;
      const { operation, template } = await restartWorkspace(
        context,
        request.params.id,
        {
          template: unsaid(body.template ?? null),
          applyTemplate: body.apply_template ?? false,
          rebuildConfig,
          reset,
          upgrade: body.upgrade ?? false,
        },
        requesterOf(request),
      );
      return {
        status: "provisioning" as const,
        config_dir: template ?? (rebuildConfig ? "generated" : "existing-volume"),
        reset_session: reset,
        operations: toOperationRefs([operation]),
      };
    },
  );

  app.post(
    "/workspaces/:id/pause",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Stop a workspace and all below it until they are resumed",
        params: workspaceParams,
        response: {
          200: pausedAnswer,
          404: errorBody,
          500: z.union([stopIncompleteAnswer, errorBody]),
        },
      },
    },
    async (request, reply) => {
      const { paused, operations } = await pauseWorkspace(
        context,
        request.params.id,
        requesterOf(request),
      );
      const settled = await settleOperations(context, operations);
      const failures = toStopFailures(settled);
      if (failures.length > 0) {
        return reply.code(500).send({
          error: `Paused, but still running on the engine: ${failures.length} of ${settled.length}.`,
          code: "ERR_STOP_INCOMPLETE",
          hint: "Resume and pause again once the engine answers.",
          paused_count: paused,
          stop_failures: failures.length,
          failures,
        });
      }
      return {
        status: "paused" as const,
        paused_count: paused,
        operations: toOperationRefs(settled),
      };
    },
  );

  app.post(
    "/workspaces/:id/resume",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Start a paused workspace and the paused ones below it",
        params: workspaceParams,
        response: { 200: resumedAnswer, 404: errorBody, 409: errorBody },
      },
    },
    async (request) => {
      const { root, resumed, operations } = await resumeWorkspace(
        context,
        request.params.id,
        requesterOf(request),
      );
      const isExternal = root.runtime === EXTERNAL_RUNTIME;
      return {
        status: isExternal ? ("awaiting_agent" as const) : ("provisioning" as const),
        resumed_count: resumed,
        operations: toOperationRefs(operations),
      };
    },
  );

  app.post(
    "/workspaces/:id/hibernate",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Stop an idle workspace until it is needed",
        params: workspaceParams,
        querystring: hibernateWorkspaceQuery,
        response: {
          200: hibernatedAnswer,
          404: errorBody,
          409: tasksActiveAnswer,
          500: z.union([stopIncompleteAnswer, errorBody]),
        },
      },
    },
    async (request, reply) => {
      const { id } = request.params;
      const hibernation = await hibernateWorkspace(
        context,
        id,
        { force: request.query.force ?? false },
        requesterOf(request),
      );
      if (hibernation.kind === "tasks-active") {
        return reply.code(409).send({
          error: `Workspace ${id} is at work: ${hibernation.activeTasks} tasks.`,
          code: "ERR_CONFLICT",
          hint: "Wait for them, or cut them off with force=true.",
          active_tasks: hibernation.activeTasks,
        });
      }
      const settled = await settleOperations(context, [hibernation.operation]);
      const failures = toStopFailures(settled);
      if (failures.length > 0) {
        return reply.code(500).send({
          error: "The workspace could not be stopped and stays awake.",
          code: "ERR_STOP_INCOMPLETE",
          stop_failures: failures.length,
          failures,
        });
      }
      const isOver = settled.every(({ state }) => state === "succeeded");
      return {
        status: isOver ? ("hibernated" as const) : ("hibernating" as const),
        ...(hibernation.interruptedTasks > 0
          ? { interrupted_tasks: hibernation.interruptedTasks }
          : {}),
        operations: toOperationRefs(settled),
      };
    },
  );
}
