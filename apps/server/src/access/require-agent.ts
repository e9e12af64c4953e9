import type { FastifyRequest } from "fastify";
import { ServerError } from "../errors.js";
import { forbidden, unauthenticated } from "./enforce-access.js";
import type { Tokens } from "./tokens.js";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/**
 * Lets through the workspace itself and the administrator; anybody, as long as no token was ever
 * issued to an external workspace: that is how an agent that brings itself gets its first one. A workspace
 * that is removed, or that never was, is not guarded: the handler has nothing to tell of it but that.
 *
 * For routes of access `registry`.
 *
 * @throws ServerError `ERR_UNAUTHENTICATED`, `ERR_FORBIDDEN`, or `platform_unavailable`.
 */
export async function requireAgent(
  { tokens }: { readonly tokens: Tokens },
  request: FastifyRequest,
  workspaceId: string,
): Promise<void> {
  const { caller } = request;
  if (caller.kind === "admin") return;
  if (caller.kind === "workspace") {
    if (caller.workspaceId === workspaceId.toLowerCase()) return;
    throw forbidden("The token belongs to another workspace.");
  }
  if (await tokens.isOnFile(workspaceId)) throw unauthenticated(request);
}

/**
 * The workspace that asks, as `X-Workspace-ID` names it and its token proves; without the header the
 * one of the token, and undefined for the administrator.
 *
 * @throws ServerError `ERR_REQUEST_INVALID` for a header that is no id, and what `requireAgent` throws.
 */
export async function requireCallingWorkspace(
  context: { readonly tokens: Tokens },
  request: FastifyRequest,
): Promise<string | undefined> {
  const { caller } = request;
  const named = request.headers["x-workspace-id"];
  if (named === undefined) {
    if (caller.kind === "anonymous") throw unauthenticated(request);
    return caller.kind === "workspace" ? caller.workspaceId : undefined;
  }
  if (typeof named !== "string" || !UUID.test(named)) {
    // Names of the platform's own parts are among these: nobody outside may speak for them.
    throw named.includes(":")
      ? forbidden("X-Workspace-ID names a part of the platform.")
      : new ServerError("ERR_REQUEST_INVALID", "X-Workspace-ID is not the id of a workspace.");
  }
  await requireAgent(context, request, named);
  return named.toLowerCase();
}
