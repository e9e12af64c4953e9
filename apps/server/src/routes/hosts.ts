import { sql } from "drizzle-orm";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import { adoptWorkspaces } from "../host/adopt-workspaces.js";
import type { ServerContext } from "../server-context.js";
import { queryRows } from "../store/database.js";
import { listServerInstances } from "../store/server-instances.js";
import { requesterOf } from "../workspaces/requester.js";

/** Engines that are gone for good. */
export function registerHosts(app: App, context: ServerContext): void {
  const { db } = context.store;

  app.post(
    "/admin/hosts/:hostId/retire",
    {
      config: { access: "admin" },
      schema: {
        tags: ["admin"],
        summary: "Give the workspaces of an engine that is gone to this server's engine",
        params: z.object({ hostId: z.string().min(1).max(200) }),
        response: {
          200: z.object({
            host_id: z.string(),
            moved_to: z.string(),
            moved: z.int().nonnegative().describe("Workspaces, deleted ones to clean up included."),
          }),
          404: errorBody,
          409: errorBody,
        },
      },
    },
    async (request) => {
      const { hostId: id } = request.params;
      const host = context.host.require();
      const instances = await listServerInstances(db);
      if (id === host.id || instances.some(({ hostId }) => hostId === id)) {
        throw new ServerError("ERR_CONFLICT", `A server works with the engine ${id}.`, {
          hint: "Stop its servers and wait 30 seconds, if it is to go.",
        });
      }
      const known = await queryRows(
        db,
        sql`
          select 1 from workspaces where host_id = ${id}
          union all select 1 from operations where host_id = ${id} and state in ('waiting', 'queued', 'running')
          limit 1`,
      );
      if (known.length === 0) {
        throw new ServerError("ERR_NOT_FOUND", `No workspace lives on the engine ${id}.`, {
          hint: "host_id of GET /workspaces names the engines.",
        });
      }
      const moved = await adoptWorkspaces(db, { from: id, to: host.id, ...requesterOf(request) });
      return { host_id: id, moved_to: host.id, moved };
    },
  );
}
