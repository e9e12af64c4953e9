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
import type { OperationRow } from "../operations/operation.js";
import { listInheritingIds } from "../secrets/inheriting-workspaces.js";
import { restartChanged } from "../secrets/restart-changed.js";
import type { ServerContext } from "../server-context.js";
import type { Database } from "../store/database.js";
import { recordEvents, type NewEvent } from "../store/events.js";
import { lockWorkspace } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";

const scope = z.literal("global");
const tags = ["secrets"];

/** Secrets of all workspaces. A change restarts every one that runs and has none of its own. */
export function registerSettingsSecrets(app: App, context: ServerContext): void {
  const { store, secrets } = context;

  const change = (
    request: FastifyRequest,
    key: string,
    type: NewEvent["type"],
    write: (tx: Database) => Promise<void>,
  ) =>
    store.db.transaction(async (tx) => {
      const requester = requesterOf(request);
      await write(tx);
      const restarted: OperationRow[] = [];
      const events: NewEvent[] = [{ type, ...requester, payload: { key, scope: "global" } }];
      for (const id of await listInheritingIds(tx, key)) {
        const row = await lockWorkspace(tx, id);
        if (row === undefined) continue;
        const restart = await restartChanged(tx, context, row, requester);
        if (restart === undefined) continue;
        restarted.push(restart.operation);
        events.push(...restart.events);
      }
      await recordEvents(tx, events);
      return toRestartRefs(restarted);
    });

  for (const path of ["/settings/secrets", "/admin/secrets"]) {
    app.get(
      path,
      {
        config: { access: "admin" },
        schema: {
          tags,
          summary: "Names of the secrets of all workspaces",
          response: { 200: z.array(secretView) },
        },
      },
      async () => (await secrets.listGlobal(store.db)).map(toSecretView),
    );

    for (const method of ["POST", "PUT"] as const) {
      app.route({
        method,
        url: path,
        config: { access: "admin" },
        schema: {
          tags,
          summary:
            "Saves a secret of all workspaces and restarts those that have none of their own",
          body: secretBody,
          response: {
            200: z.object({
              status: z.literal("saved"),
              key: z.string(),
              scope,
              operations: restartRefs,
            }),
          },
        },
        handler: async (request) => {
          const { key, value } = request.body as z.infer<typeof secretBody>;
          secrets.validate(key, value);
          const operations = await change(request, key, "SECRET_SAVED", (tx) =>
            secrets.save(tx, { scope: "global", key }, value),
          );
          return { status: "saved" as const, key, scope: "global" as const, operations };
        },
      });
    }

    app.delete(
      `${path}/:key`,
      {
        config: { access: "admin" },
        schema: {
          tags,
          summary: "Deletes a secret of all workspaces and restarts those that had it",
          params: z.object({ key: secretKeyParam }),
          response: {
            200: z.object({
              status: z.literal("deleted"),
              key: z.string(),
              scope,
              operations: restartRefs,
            }),
            404: errorBody,
          },
        },
      },
      async (request) => {
        const { key } = request.params;
        const operations = await change(request, key, "SECRET_DELETED", async (tx) => {
          if (await secrets.delete(tx, { scope: "global", key })) return;
          throw new ServerError("ERR_NOT_FOUND", `There is no global secret ${key}.`, {
            hint: "GET /settings/secrets lists those there are.",
          });
        });
        return { status: "deleted" as const, key, scope: "global" as const, operations };
      },
    );
  }
}
