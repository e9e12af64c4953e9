import rateLimit from "@fastify/rate-limit";
import type { FastifyRequest, RouteOptions } from "fastify";
import { errorBody } from "../api/error-body.js";
import type { App } from "../app.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import type { Access, Caller } from "./caller.js";
import { parseBearer } from "./token-text.js";

const ANONYMOUS: Caller = { kind: "anonymous" };
const MINUTE_MS = 60_000;

/** Tokens that are not valid, a minute and address; a client that lost its token needs few. */
const MOST_FAILURES = 30;

/**
 * Says of every request who it comes from, how often they may come, and whether they may call the
 * route. Routes registered later are held to it; whatever may refuse a request here is added to the
 * responses they document.
 *
 * - who: the bearer token. On an open route one that is not valid counts as none.
 * - how often: `rateLimit` requests a minute for each workspace, the administrator, and each address
 *   without a token; a route with `config.rateLimit: false` has no limit. An address that sent too
 *   many tokens that are not valid is heard only with tokens this process has seen be valid, so that
 *   guessing ends and agents behind the same address stay.
 * - whether: `config.access` of the route.
 */
export async function enforceAccess(app: App, context: ServerContext): Promise<void> {
  const { tokens } = context;
  await app.register(rateLimit, { global: false });
  const takeTurn = app.createRateLimit({
    max: context.config.rateLimit,
    timeWindow: MINUTE_MS,
    keyGenerator: callerKey,
  });
  const countFailure = app.createRateLimit({
    max: MOST_FAILURES,
    timeWindow: MINUTE_MS,
    keyGenerator: addressKey,
  });

  const identify = async (request: FastifyRequest, token: string): Promise<Caller> => {
    const failures = await countFailure(request, { increment: false });
    if (!failures.isAllowed && failures.remaining === 0 && !tokens.isFamiliar(token)) {
      throw tooOften("Too many tokens that are not valid.", failures.ttlInSeconds);
    }
    const caller = await tokens.verify(token);
    if (caller === undefined) await countFailure(request);
    return caller ?? ANONYMOUS;
  };

  app.addHook("onRoute", documentRefusals);
  app.addHook("onRequest", async (request) => {
    request.caller = ANONYMOUS;
    writeIdAsStored(request);
    const { access = "open", rateLimit: limit } = request.routeOptions.config;
    const token = parseBearer(request.headers.authorization);
    if (token !== undefined) {
      try {
        request.caller = await identify(request, token);
      } catch (error) {
        if (access !== "open") throw error;
      }
    }
    if (limit !== false) {
      const turn = await takeTurn(request);
      if (!turn.isAllowed && turn.isExceeded) {
        throw tooOften("Too many requests.", turn.ttlInSeconds);
      }
    }
    authorize(request, access);
  });
}

/** One id is one text from here on: what is kept by id in memory would miss the other spellings. */
function writeIdAsStored({ params }: FastifyRequest): void {
  const given = params as { id?: unknown } | undefined;
  if (typeof given?.id === "string") given.id = given.id.toLowerCase();
}

/** Refuses a caller that may not call a route of this access. */
function authorize(request: FastifyRequest, access: Access): void {
  const { caller } = request;
  switch (access) {
    case "open":
    case "registry":
      return;
    case "admin":
      if (caller.kind === "admin") return;
      if (caller.kind === "workspace") throw forbidden("Only the administrator may do this.");
      throw unauthenticated(request);
    case "workspace": {
      if (caller.kind === "admin") return;
      if (caller.kind === "anonymous") throw unauthenticated(request);
      const { id } = request.params as { readonly id?: string };
      if (caller.workspaceId === id) return;
      throw forbidden("The token belongs to another workspace.");
    }
    default:
      access satisfies never;
  }
}

export function unauthenticated(request: FastifyRequest): ServerError {
  return parseBearer(request.headers.authorization) === undefined
    ? new ServerError("ERR_UNAUTHENTICATED", "The request has no token.", {
        hint: "Send the header Authorization: Bearer <token>.",
      })
    : new ServerError("ERR_UNAUTHENTICATED", "The token is not valid.", {
        hint: "It may be revoked, or of another server: use one that was issued here.",
      });
}

export function forbidden(message: string): ServerError {
  return new ServerError("ERR_FORBIDDEN", message, {
    hint: "Use the token of the administrator, or of the workspace itself.",
  });
}

function tooOften(message: string, seconds: number): ServerError {
  return new ServerError("ERR_RATE_LIMITED", message, {
    hint: `Wait ${seconds} seconds.`,
    retryable: true,
    details: { retry_after: seconds },
  });
}

function callerKey(request: FastifyRequest): string {
  const { caller } = request;
  switch (caller.kind) {
    case "admin":
      return "admin";
    case "workspace":
      return caller.workspaceId;
    case "anonymous":
      return addressKey(request);
    default:
      return caller satisfies never;
  }
}

/** One address, or the /64 that one holder of IPv6 addresses has at least. */
function addressKey(request: FastifyRequest): string {
  return rateLimit.normalizeIP(request.ip);
}

/** A route has to document every status it may answer; these it may answer without its handler. */
function documentRefusals(route: RouteOptions): void {
  const { schema, config } = route;
  if (schema === undefined || schema.hide === true) return;
  const refusals =
    config?.access === "open" ? [400, 413, 429, 500, 503] : [400, 401, 403, 413, 429, 500, 503];
  schema.response = {
    ...Object.fromEntries(refusals.map((status) => [status, errorBody])),
    ...(schema.response as object | undefined),
  };
}
