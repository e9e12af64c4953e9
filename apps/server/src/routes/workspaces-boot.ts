import { errorBody } from "../api/error-body.js";
import { unsaid } from "../api/stored-text.js";
import { bootstrapFailedAnswer } from "../api/workspace-answers.js";
import { bootstrapFailedBody } from "../api/workspace-body.js";
import { workspaceParams } from "../api/workspace-query.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { failBootstrap } from "../workspaces/fail-bootstrap.js";
import { requesterOf } from "../workspaces/requester.js";

/** What a workspace says while it boots, and who says that it does not. */
export function registerWorkspaceBoot(app: App, context: ServerContext): void {
  app.post(
    "/admin/workspaces/:id/bootstrap-failed",
    {
      config: { access: "admin" },
      schema: {
        tags: ["workspaces"],
        summary: "Report that a provisioning workspace will not come up",
        params: workspaceParams,
        body: bootstrapFailedBody,
        response: { 200: bootstrapFailedAnswer, 404: errorBody },
      },
    },
    async (request) => {
      const { error, log_tail: logTail } = request.body;
      const changed = await failBootstrap(
        context,
        request.params.id,
        { error: unsaid(error ?? null), logTail: unsaid(logTail ?? null) },
        requesterOf(request),
      );
      return { ok: true as const, ...(changed ? {} : { no_change: true as const }) };
    },
  );

  app.get(
    "/workspaces/:id/console",
    {
      config: { access: "admin" },
      schema: {
        tags: ["workspaces"],
        summary: "Not there for containers",
        params: workspaceParams,
        response: { 501: errorBody },
      },
    },
    ({ params }) => {
      throw new ServerError("ERR_CONSOLE_UNAVAILABLE", "A container has no console.", {
        hint: `Its output is at GET /workspaces/${params.id}/logs.`,
      });
    },
  );
}
