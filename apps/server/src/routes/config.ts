import type { JsonObject } from "@molecule-ai/core";
import { eq, sql } from "drizzle-orm";
import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import { storedObject } from "../api/stored-json.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { workspaceConfigs } from "../store/schema.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import { lockPresentWorkspace, workspaceNotFound } from "../workspaces/lock-workspace.js";
import { requesterOf } from "../workspaces/requester.js";

const MOST_BYTES = 256 * 1024;
/** What an event tells of a change. */
const MOST_NAMED = 100;
const LONGEST_NAME = 128;

const params = z.object({ id: z.uuid() });
const tags = ["workspaces"];

/** A JSON object that is kept for a workspace and its owner; the server itself does not read it. */
export function registerConfig(app: App, { store }: ServerContext): void {
  app.get(
    "/workspaces/:id/config",
    {
      config: { access: "workspace" },
      schema: {
        tags,
        summary: "The configuration kept for a workspace",
        params,
        response: { 200: z.object({ data: z.record(z.string(), z.unknown()) }), 404: errorBody },
      },
    },
    async ({ params: { id } }) => {
      const row = await findWorkspaceRow(store.db, id);
      if (row === undefined || row.status === "removed") throw workspaceNotFound(id);
      const [config] = await store.db
        .select({ data: workspaceConfigs.data })
        .from(workspaceConfigs)
        .where(eq(workspaceConfigs.workspaceId, id));
      return { data: config?.data ?? {} };
    },
  );

  app.patch(
    "/workspaces/:id/config",
    {
      config: { access: "workspace" },
      bodyLimit: MOST_BYTES,
      schema: {
        tags,
        summary: "Sets members of the configuration kept for a workspace",
        description: "Members that are not named stay. The whole has at most 256 KiB.",
        params,
        body: storedObject,
        response: { 200: z.object({ status: z.literal("updated") }), 404: errorBody },
      },
    },
    async (request) => {
      const { id } = request.params;
      const given = request.body as JsonObject;
      await store.db.transaction(async (tx) => {
        const row = await lockPresentWorkspace(tx, id);
        const [merged] = await tx
          .insert(workspaceConfigs)
          .values({ workspaceId: row.id, data: given })
          .onConflictDoUpdate({
            target: workspaceConfigs.workspaceId,
            set: {
              data: sql`${workspaceConfigs.data} || excluded.data`,
              updatedAt: sql`now()`,
            },
          })
          .returning({ bytes: sql<number>`octet_length(data::text)` });
        if ((merged?.bytes ?? 0) > MOST_BYTES) throw tooLarge();
        await recordEvents(tx, [
          {
            type: "CONFIG_UPDATED",
            ...requesterOf(request),
            workspaceId: row.id,
            payload: { keys: Object.keys(given).slice(0, MOST_NAMED).map(shorten) },
          },
        ]);
      });
      return { status: "updated" as const };
    },
  );
}

/** In whole characters: half of one is no text that the database keeps. */
function shorten(name: string): string {
  return Array.from(name).slice(0, LONGEST_NAME).join("");
}

function tooLarge(): ServerError {
  return new ServerError("ERR_REQUEST_TOO_LARGE", "The configuration would be too large.", {
    hint: `All of it together has at most ${MOST_BYTES} bytes.`,
  });
}
