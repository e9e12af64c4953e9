import type { FastifyReply, FastifyRequest } from "fastify";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import { actorOf } from "./caller.js";
import { MOST_URL_BYTES } from "./server-options.js";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** On every answer; a route with pages for people replaces the content security policy. */
const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

const CORS_HEADERS = {
  "access-control-allow-methods": "GET, POST, PUT, PATCH, DELETE",
  "access-control-allow-headers":
    "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, X-Request-ID, X-Workspace-ID",
  "access-control-max-age": "600",
} as const;

/**
 * What every answer has, whatever the route: its request id, headers that keep browsers from
 * guessing, and leave to read it for the origins that may. One line is logged when it is over.
 */
export function addHttpManners(
  app: App,
  options: { readonly corsOrigins: readonly string[] },
): void {
  const origins = new Set(options.corsOrigins);
  app.addHook("onRequest", async (request, reply) => {
    reply.headers({ ...SECURITY_HEADERS, "x-request-id": request.id });
    if (request.url.length > MOST_URL_BYTES) {
      throw new ServerError("ERR_REQUEST_TOO_LARGE", "The URL of the request is too long.", {
        hint: `Send at most ${MOST_URL_BYTES} bytes, and the rest in the body.`,
      });
    }
    if (origins.size === 0) return undefined;
    reply.header("vary", "Origin");
    const { origin } = request.headers;
    if (origin === undefined || !(origins.has(origin) || origins.has("*"))) return undefined;
    reply.header("access-control-allow-origin", origin);
    reply.header("access-control-expose-headers", "Retry-After, X-Request-ID, X-Next-Cursor");
    if (!isPreflight(request)) return undefined;
    return reply.headers(CORS_HEADERS).code(204).send();
  });
  app.addHook("onResponse", async (request, reply) => logRequest(request, reply));
}

function isPreflight({ method, headers }: FastifyRequest): boolean {
  return method === "OPTIONS" && headers["access-control-request-method"] !== undefined;
}

/** Neither path nor query nor headers: whatever a client put there stays out of the log. */
function logRequest(request: FastifyRequest, reply: FastifyReply): void {
  const { id } = (request.params ?? {}) as { readonly id?: unknown };
  request.log.info(
    {
      method: request.method,
      route: request.routeOptions.url ?? "none",
      ...(typeof id === "string" && UUID.test(id) ? { workspaceId: id } : {}),
      status: reply.statusCode,
      durationMs: Math.round(reply.elapsedTime * 10) / 10,
      caller: actorOf(request.caller ?? { kind: "anonymous" }),
      address: request.ip,
    },
    "request",
  );
}
