import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import { restartRefs, toRestartRefs } from "../api/secret-view.js";
import type { App } from "../app.js";
import { restartChanged } from "../secrets/restart-changed.js";
import { MODEL_VARIABLE } from "../secrets/secret-store.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { findWorkspaceRow, patchWorkspace } from "../store/workspaces.js";
import { lockPresentWorkspace, workspaceNotFound } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";

const params = z.object({ id: z.uuid() });
const tags = ["workspaces"];

/** The model of one workspace. A change restarts it, when it runs. */
export function registerModel(app: App, context: ServerContext): void {
  const { store, secrets } = context;

  app.get(
    "/workspaces/:id/model",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "The model a workspace uses, and who chose it",
        params,
        response: {
          200: z.object({
            model: z.string().describe("Empty when the template decides."),
            source: z.enum(["workspace_secrets", "workspace", "global_secrets", "default"]),
          }),
          404: errorBody,
        },
      },
    },
    async ({ params: { id } }) => {
      const row = await findWorkspaceRow(store.db, id);
      if (row === undefined || row.status === "removed") throw workspaceNotFound(id);
      const key = MODEL_VARIABLE;
      const own = await secrets.read(store.db, { scope: "workspace", workspaceId: id, key });
      if (own !== undefined) return { model: own, source: "workspace_secrets" as const };
      const shared = await secrets.read(store.db, { scope: "global", key });
      if (shared !== undefined) return { model: shared, source: "global_secrets" as const };
      return row.model === null
        ? { model: "", source: "default" as const }
        : { model: row.model, source: "workspace" as const };
    },
  );

  app.put(
    "/workspaces/:id/model",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "Chooses the model of a workspace and restarts it",
        params,
        body: z.strictObject({
          model: z
            .string()
            .max(100)
            .regex(/^[^\p{Cc}\p{Surrogate}]*$/u, "must be one line without control characters")
            .describe("Empty takes the template's."),
        }),
        response: {
          200: z.object({
            status: z.enum(["saved", "cleared"]),
            model: z.string(),
            operations: restartRefs,
          }),
          404: errorBody,
        },
      },
    },
    async (request) => {
      const { id } = request.params;
      const model = request.body.model.trim();
      if (model !== "") secrets.validate(MODEL_VARIABLE, model);
      const place = { scope: "workspace", workspaceId: id, key: MODEL_VARIABLE } as const;
      const operations = await store.db.transaction(async (tx) => {
        const requester = requesterOf(request);
        const row = await lockPresentWorkspace(tx, id);
        if (model === "") await secrets.delete(tx, place);
        else await secrets.save(tx, place, model);
        await patchWorkspace(tx, id, { model: model === "" ? null : model });
        const restart = await restartChanged(tx, context, row, requester);
        await recordEvents(tx, [
          {
            type: "CONFIG_UPDATED",
            ...requester,
            workspaceId: row.id,
            payload: { keys: ["model"] },
          },
          ...(restart?.events ?? []),
        ]);
        return toRestartRefs(restart === undefined ? [] : [restart.operation]);
      });
      const status = model === "" ? ("cleared" as const) : ("saved" as const);
      return { status, model, operations };
    },
  );
}
