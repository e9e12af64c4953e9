import { z } from "zod";
import { errorBody } from "../api/error-body.js";
import {
  toOwnWorkspaceView,
  toPublicWorkspaceView,
  toWorkspaceWhyView,
} from "../api/to-workspace-view.js";
import { stateAnswer, stateGoneAnswer } from "../api/workspace-answers.js";
import { listWorkspacesQuery, MOST_LISTED, workspaceParams } from "../api/workspace-query.js";
import {
  ownWorkspaceView,
  publicWorkspaceView,
  workspaceView,
  workspaceWhyView,
} from "../api/workspace-view.js";
import { requireAgent } from "../access/require-agent.js";
import type { App } from "../app.js";
import type { ServerContext } from "../server-context.js";
import { findWorkspaceRow } from "../store/workspaces.js";
import { findWorkspace, listWorkspaces } from "../workspaces/list-workspaces.js";
import { workspaceNotFound } from "../workspaces/lock-workspace.js";
import { formatCursor, parseCursor } from "../workspaces/page-cursor.js";

/** What workspaces there are, and what is known of them. */
export function registerWorkspaceReading(app: App, context: ServerContext): void {
  const { store, templates } = context;
  app.get(
    "/workspaces",
    {
      config: { access: "admin" },
      schema: {
        tags: ["workspaces"],
        summary: "List workspaces, oldest first",
        description:
          "At most 1000 a page; with more, `X-Next-Cursor` and `Link` lead to the next one.",
        querystring: listWorkspacesQuery,
        response: { 200: z.array(workspaceView) },
      },
    },
    async ({ query }, reply) => {
      const { status, runtime, parent_id: parentId, q: text, limit = MOST_LISTED, cursor } = query;
      const after = cursor === undefined ? undefined : parseCursor(cursor);
      const timeouts = await templates.provisionTimeouts();
      const { json, next } = await listWorkspaces(
        store.db,
        { status, runtime, parentId, text },
        { limit, after, timeouts },
      );
      if (next !== undefined) {
        const nextCursor = formatCursor(next);
        const parameters = new URLSearchParams(
          Object.entries({ status, runtime, parent_id: parentId, q: text }).filter(
            (entry): entry is [string, string] => entry[1] !== undefined,
          ),
        );
        parameters.set("limit", String(limit));
        parameters.set("cursor", nextCursor);
        reply.header("x-next-cursor", nextCursor);
        reply.header("link", `</workspaces?${parameters.toString()}>; rel="next"`);
      }
      return reply
        .type("application/json; charset=utf-8")
        .serializer((text: unknown) => text as string)
        .send(json as never);
    },
  );

  app.get(
    "/workspaces/:id",
    {
      config: { access: "open" },
      schema: {
        tags: ["workspaces"],
        summary: "One workspace; its own token and the administrator's are told more",
        params: workspaceParams,
        response: { 200: z.union([ownWorkspaceView, publicWorkspaceView]), 404: errorBody },
      },
    },
    async ({ params, caller }) => {
      const found = await findWorkspace(store.db, params.id);
      if (found === undefined) throw workspaceNotFound(params.id);
      const isOwner =
        caller.kind === "admin" ||
        (caller.kind === "workspace" && caller.workspaceId === found.row.id);
      return isOwner ? toOwnWorkspaceView(found.row, found.last) : toPublicWorkspaceView(found.row);
    },
  );

  app.get(
    "/workspaces/:id/why",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["workspaces"],
        summary: "Why a workspace is in its status, and where what it runs is from",
        params: workspaceParams,
        response: { 200: workspaceWhyView, 404: errorBody },
      },
    },
    async ({ params }) => {
      const found = await findWorkspace(store.db, params.id);
      if (found === undefined) throw workspaceNotFound(params.id);
      return toWorkspaceWhyView(found.row, found.last);
    },
  );

  app.get(
    "/workspaces/:id/state",
    {
      config: { access: "registry" },
      schema: {
        tags: ["workspaces"],
        summary: "Whether a workspace is there and paused",
        params: workspaceParams,
        response: { 200: stateAnswer, 404: stateGoneAnswer },
      },
    },
    async (request, reply) => {
      const { params } = request;
      await requireAgent(context, request, params.id);
      const row = await findWorkspaceRow(store.db, params.id);
      if (row === undefined || row.status === "removed") {
        const { message, code } = workspaceNotFound(params.id);
        return reply
          .code(404)
          .send({ error: message, code, workspace_id: params.id, deleted: true });
      }
      return {
        workspace_id: row.id,
        status: row.status,
        paused: row.status === "paused",
        deleted: false as const,
      };
    },
  );
}
