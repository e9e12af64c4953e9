import type { FastifyRequest } from "fastify";
import { unauthenticated } from "./enforce-access.js";

/**
 * True for the administrator and for the workspace itself; to anybody else with a token, what is of
 * the workspace does not exist. For routes whose path does not name it.
 *
 * @throws ServerError `ERR_UNAUTHENTICATED` without a valid token.
 */
export function isOwner(request: FastifyRequest, workspaceId: string): boolean {
  const { caller } = request;
  switch (caller.kind) {
    case "admin":
      return true;
    case "workspace":
      return caller.workspaceId === workspaceId;
    case "anonymous":
      throw unauthenticated(request);
    default:
      return caller satisfies never;
  }
}

/** Refuses who has no valid token, before anything is looked up. */
export function requireToken(request: FastifyRequest): void {
  if (request.caller.kind === "anonymous") throw unauthenticated(request);
}
