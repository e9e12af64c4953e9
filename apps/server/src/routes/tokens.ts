import { z } from "zod";
import { actorOf } from "../access/caller.js";
import { MOST_LIVE_TOKENS, type TokenRow } from "../access/tokens.js";
import { errorBody } from "../api/error-body.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { recordEvents } from "../store/events.js";
import { findWorkspaceRow } from "../store/workspaces.js";

const moment = z.iso.datetime({ offset: true });
const workspacePath = z.object({ id: z.uuid() });

const tokenView = z
  .object({
    id: z.uuid(),
    prefix: z.string().describe("The first eight characters; the rest is kept nowhere."),
    created_at: moment,
    last_used_at: moment.nullable().describe("Accurate to a minute or so."),
    created_by: z.string(),
    operation_id: z.uuid().nullable().describe("The provision attempt it was made for."),
  })
  .meta({ id: "Token" });

/** Bearer tokens of a workspace. */
export function registerTokens(app: App, { store, tokens }: ServerContext): void {
  const requireWorkspace = async (id: string): Promise<void> => {
    const row = await findWorkspaceRow(store.db, id);
    if (row === undefined || row.status === "removed") {
      throw new ServerError("ERR_NOT_FOUND", `There is no workspace ${id}.`);
    }
  };

  app.get(
    "/workspaces/:id/tokens",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["tokens"],
        summary: "Live tokens of a workspace, oldest first",
        params: workspacePath,
        response: {
          200: z.object({ tokens: z.array(tokenView), count: z.int() }),
          404: errorBody,
        },
      },
    },
    async ({ params }) => {
      await requireWorkspace(params.id);
      const rows = await tokens.list(params.id);
      return { tokens: rows.map(viewOf), count: rows.length };
    },
  );

  app.post(
    "/workspaces/:id/tokens",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["tokens"],
        summary: "Issue a token",
        description: `It is shown in this answer only. A workspace has at most ${MOST_LIVE_TOKENS} that were asked for. The next provision of the workspace that succeeds revokes it.`,
        params: workspacePath,
        response: {
          201: z.object({
            auth_token: z.string(),
            workspace_id: z.uuid(),
            message: z.string(),
            id: z.uuid(),
            prefix: z.string(),
          }),
          404: errorBody,
          409: errorBody,
        },
      },
    },
    async ({ params: { id: workspaceId }, caller, id: requestId }, reply) => {
      const actor = actorOf(caller);
      const issued = await store.db.transaction(async (tx) => {
        const token = await tokens.issue(tx, {
          workspaceId,
          operationId: undefined,
          createdBy: actor,
        });
        const payload = { token_id: token.id, prefix: token.prefix };
        await recordEvents(tx, [{ type: "TOKEN_ISSUED", workspaceId, actor, requestId, payload }]);
        return token;
      });
      reply.code(201);
      return {
        auth_token: issued.token,
        workspace_id: workspaceId,
        message: "Keep this token now: it is not shown again.",
        id: issued.id,
        prefix: issued.prefix,
      };
    },
  );

  app.delete(
    "/workspaces/:id/tokens/:tokenId",
    {
      config: { access: "workspace" },
      schema: {
        tags: ["tokens"],
        summary: "Revoke a token",
        params: workspacePath.extend({ tokenId: z.uuid() }),
        response: {
          200: z.object({ status: z.literal("revoked"), id: z.uuid() }),
          404: errorBody,
        },
      },
    },
    async ({ params: { id: workspaceId, tokenId }, caller, id: requestId }) => {
      await store.db.transaction(async (tx) => {
        const revoked = await tokens.revoke(tx, workspaceId, tokenId);
        if (revoked === undefined) {
          throw new ServerError("ERR_NOT_FOUND", `The workspace has no live token ${tokenId}.`);
        }
        const actor = actorOf(caller);
        const payload = { token_id: revoked.id, prefix: revoked.prefix };
        await recordEvents(tx, [{ type: "TOKEN_REVOKED", workspaceId, actor, requestId, payload }]);
      });
      return { status: "revoked" as const, id: tokenId };
    },
  );
}

function viewOf(row: TokenRow): z.infer<typeof tokenView> {
  return {
    id: row.id,
    prefix: row.prefix,
    created_at: row.createdAt.toISOString(),
    last_used_at: row.lastUsedAt?.toISOString() ?? null,
    created_by: row.createdBy,
    operation_id: row.operationId,
  };
}
