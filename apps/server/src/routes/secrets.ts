import { isProvisionerError } from "@molecule-ai/core";
import type { FastifyRequest } from "fastify";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import {
  restartRefs,
  secretBody,
  secretKeyParam,
  secretView,
  toRestartRefs,
  toSecretView,
} from "../api/secret-view.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import { restartChanged } from "../secrets/restart-changed.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import { lockPresentWorkspace, workspaceNotFound } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";

const params = z.object({ id: z.uuid() });
const keyParams = params.extend({ key: secretKeyParam });
const tags = ["secrets"];

/** Secrets of one workspace. A change restarts it, when it runs. */
export function registerSecrets(app: App, context: ServerContext): void {
  const { store, secrets } = context;

  const requirePresent = async (id: string): Promise<void> => {
    const row = await findWorkspaceRow(store.db, id);
    if (row === undefined || row.status === "removed") throw workspaceNotFound(id);
  };

  /** One change to a workspace's environment and the restart that brings it to the agent. */
  const change = (
    request: FastifyRequest,
    id: string,
    event: Pick<NewEvent, "type" | "payload">,
    write: (tx: Database) => Promise<void>,
  ) =>
    store.db.transaction(async (tx) => {
      const requester = requesterOf(request);
      const row = await lockPresentWorkspace(tx, id);
      await write(tx);
      const restart = await restartChanged(tx, context, row, requester);
      await recordEvents(tx, [
        { ...event, ...requester, workspaceId: row.id },
        ...(restart?.events ?? []),
      ]);
      return toRestartRefs(restart === undefined ? [] : [restart.operation]);
    });

  app.get(
    "/workspaces/:id/secrets",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "Names of the secrets a workspace has, its own and the global ones",
        params,
        response: { 200: z.array(secretView), 404: errorBody },
      },
    },
    async ({ params: { id } }) => {
      await requirePresent(id);
      return (await secrets.listEffective(store.db, id)).map(toSecretView);
    },
  );

  for (const method of ["POST", "PUT"] as const) {
    app.route({
      method,
      url: "/workspaces/:id/secrets",
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "Saves a secret and restarts the workspace",
        params,
        body: secretBody,
        response: {
          200: z.object({
            status: z.literal("saved"),
            key: z.string(),
            operations: restartRefs,
          }),
          404: errorBody,
        },
      },
      handler: async (request) => {
        const { key, value } = request.body as z.infer<typeof secretBody>;
        const { id } = request.params as z.infer<typeof params>;
        secrets.validate(key, value);
        const operations = await change(
          request,
          id,
          { type: "SECRET_SAVED", payload: { key, scope: "workspace" } },
          (tx) => secrets.save(tx, { scope: "workspace", workspaceId: id, key }, value),
        );
        return { status: "saved" as const, key, operations };
      },
    });
  }

  app.delete(
    "/workspaces/:id/secrets/:key",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "Deletes a secret and restarts the workspace",
        params: keyParams,
        response: {
          200: z.object({
            status: z.literal("deleted"),
            key: z.string(),
            operations: restartRefs,
          }),
          404: errorBody,
        },
      },
    },
    async (request) => {
      const { id, key } = request.params;
      const operations = await change(
        request,
        id,
        { type: "SECRET_DELETED", payload: { key, scope: "workspace" } },
        async (tx) => {
          if (await secrets.delete(tx, { scope: "workspace", workspaceId: id, key })) return;
          throw new ServerError("ERR_NOT_FOUND", `The workspace has no secret ${key} of its own.`, {
            hint: "GET …/secrets lists its secrets; those of scope global are deleted elsewhere.",
          });
        },
      );
      return { status: "deleted" as const, key, operations };
    },
  );

  app.get(
    "/workspaces/:id/secrets/values",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "The secrets of a workspace with their values, for an agent that runs elsewhere",
        params,
        response: {
          200: z.record(z.string(), z.string()),
          404: errorBody,
          500: errorBody.extend({ failed_keys: z.array(z.string()).optional() }),
        },
      },
    },
    async ({ params: { id } }, reply) => {
      await requirePresent(id);
      reply.header("cache-control", "no-store");
      try {
        return await secrets.readEffective(store.db, id);
      } catch (error) {
        if (!isProvisionerError(error, "ERR_SECRET_UNREADABLE")) throw error;
        return reply.code(500).send({
          error: error.message,
          code: error.code,
          hint: error.hint,
          failed_keys: error.details["failed_keys"] as string[],
        });
      }
    },
  );
}
