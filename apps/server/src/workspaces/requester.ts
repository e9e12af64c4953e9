import type { FastifyRequest } from "fastify";
import { actorOf } from "../access/caller.js";

/** Who asked for a change, for operations and events. */
export interface Requester {
  /** `admin`, `workspace:<id>` or `system:<what>`. */
  readonly actor: string;
  readonly requestId: string | undefined;
}

export function requesterOf(request: FastifyRequest): Requester {
  return { actor: actorOf(request.caller), requestId: request.id };
}
