import { isProvisionerError, ProvisionerError } from "@molecule-ai/core";
import fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type RawServerDefault,
  type RouteOptions,
} from "fastify";
import {
  hasZodFastifySchemaValidationErrors,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from "fastify-type-provider-zod";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Access, Caller } from "./access/caller.js";
import type { ErrorBody } from "./api/error-body.js";
import { enforceAccess } from "./access/enforce-access.js";
import { addHttpManners } from "./access/http-manners.js";
import { limitConnections, serverOptions } from "./access/server-options.js";
import { parseBearer } from "./access/token-text.js";
import { httpStatusOf } from "./api/http-status.js";
import { ServerError } from "./errors.js";
import { openDocsPages, registerOpenapi } from "./openapi.js";
import { registerAdminLiveness } from "./routes/admin-liveness.js";
import { registerBuilds } from "./routes/builds.js";
import { registerEvents } from "./routes/events.js";
import { registerHealth } from "./routes/health.js";
import { registerHosts } from "./routes/hosts.js";
import { registerImages } from "./routes/images.js";
import { registerLogs } from "./routes/logs.js";
import { registerMetrics } from "./routes/metrics.js";
import { registerOperations } from "./routes/operations.js";
import { registerReady } from "./routes/ready.js";
import { registerTokens } from "./routes/tokens.js";
import { registerWorkspaces } from "./routes/workspaces.js";
import { registerConfig } from "./routes/config.js";
import { registerModel } from "./routes/model.js";
import { registerSecrets } from "./routes/secrets.js";
import { registerSettingsSecrets } from "./routes/settings-secrets.js";
import { registerDiscovery } from "./routes/discovery.js";
import { registerRegistry } from "./routes/registry.js";
import type { ServerContext } from "./server-context.js";
import { registerStreams } from "./streams/register-streams.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Who may call the route. A route without it keeps the server from starting. */
    access?: Access;
  }
  interface FastifyInstance {
    /** Every route there is, and who may call it. */
    readonly accessTable: readonly RouteAccess[];
  }
  interface FastifyRequest {
    /** Set before any handler runs. */
    caller: Caller;
  }
}

/** What a route group registers its routes on; schemas are zod. */
export type App = FastifyInstance<
  RawServerDefault,
  IncomingMessage,
  ServerResponse,
  FastifyBaseLogger,
  ZodTypeProvider
>;

/** One route as it was registered. */
export interface RouteAccess {
  readonly method: string;
  readonly url: string;
  readonly access: Access;
}

/** Routes of one noun. */
export type RouteGroup = (app: App, context: ServerContext) => void | Promise<void>;

const ROUTE_GROUPS: readonly RouteGroup[] = [
  registerOpenapi,
  registerStreams,
  registerMetrics,
  registerHealth,
  registerReady,
  registerWorkspaces,
  registerEvents,
  registerOperations,
  registerBuilds,
  registerLogs,
  registerImages,
  registerTokens,
  registerSettingsSecrets,
  registerSecrets,
  registerModel,
  registerConfig,
  registerRegistry,
  registerDiscovery,
  registerAdminLiveness,
  registerHosts,
];

/** The HTTP application, not yet listening; `inject()` works on it. Close it when done. */
export async function createApp(context: ServerContext): Promise<App> {
  const { config } = context;
  const app: App = fastify(
    serverOptions({
      logger: context.logger,
      trustProxy: config.trustProxy,
      onFrameworkError: (error, request, reply) => void answerError(reply, toFailure(error)),
    }),
  ).withTypeProvider<ZodTypeProvider>();
  limitConnections(app.server);
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.decorateRequest("caller");
  const accessTable: RouteAccess[] = [];
  app.decorate("accessTable", accessTable);
  app.addHook("onRoute", openDocsPages);
  app.addHook("onRoute", (route) => void accessTable.push(...refuseOpenByAccident(route)));
  app.setNotFoundHandler((request, reply) =>
    answerError(
      reply,
      new ServerError("ERR_ROUTE_NOT_FOUND", `no route ${request.method} ${pathOf(request.url)}`, {
        hint: "GET /openapi.json lists all routes.",
      }),
    ),
  );
  app.setErrorHandler<FastifyError>((error, request, reply) => {
    const failure = toFailure(error);
    if (httpStatusOf(failure) >= 500) request.log.error({ err: error }, "a request failed");
    return answerError(reply, failure);
  });
  addHttpManners(app, config);
  await enforceAccess(app, context);
  for (const register of ROUTE_GROUPS) await register(app, context);
  return app;
}

/** No route is open by accident: each says who may call it. */
function refuseOpenByAccident({ method, url, config }: RouteOptions): RouteAccess[] {
  const access = config?.access;
  if (access === undefined) {
    throw new Error(`Route ${String(method)} ${url} does not say who may call it.`);
  }
  return [method].flat().map((name) => ({ method: name, url, access }));
}

function answerError(reply: FastifyReply, error: ProvisionerError): FastifyReply {
  const body: ErrorBody = {
    error: error.message,
    code: error.code,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
    ...(Object.keys(error.details).length === 0 ? {} : { details: error.details }),
  };
  if (error.code === "ERR_UNAUTHENTICATED") reply.header("www-authenticate", challengeFor(reply));
  const retryAfter = error.details["retry_after"];
  if (typeof retryAfter === "number") reply.header("retry-after", retryAfter);
  return reply.code(httpStatusOf(error)).send(body);
}

function challengeFor({ request }: FastifyReply): string {
  const isTokenBad = parseBearer(request.headers.authorization) !== undefined;
  return `Bearer realm="molecule"${isTokenBad ? ', error="invalid_token"' : ""}`;
}

function toFailure(error: FastifyError): ProvisionerError {
  if (isProvisionerError(error)) return isOfEngine(error) ? withoutItsWords(error) : error;
  if (hasZodFastifySchemaValidationErrors(error)) {
    const faults = error.validation.map((fault) => {
      const where = [error.validationContext, ...fault.instancePath.split("/").slice(1)].join(".");
      return `${where}: ${fault.message ?? "invalid"}`;
    });
    return new ServerError(
      "ERR_REQUEST_INVALID",
      `The request is not valid: ${faults.join("; ")}`,
      {
        hint: "Compare it with GET /openapi.json.",
        details: { faults },
      },
    );
  }
  if (error.statusCode === 413) {
    return new ServerError("ERR_REQUEST_TOO_LARGE", "The body of the request is too large.", {
      hint: "Send at most 1 MiB.",
    });
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new ServerError("ERR_REQUEST_INVALID", `The request is not valid: ${error.message}`, {
      hint: "Send JSON, with content-type application/json.",
    });
  }
  // What went wrong inside is for the log: it may tell of tables, paths or addresses.
  return new ServerError("ERR_INTERNAL", "The server failed at this request.", {
    hint: "Look for the request id in the server's log.",
    cause: error,
  });
}

/** What the server itself says of engines is written for callers; what an engine says is not. */
function isOfEngine(error: ProvisionerError): boolean {
  return error.code.startsWith("ERR_ENGINE_") && !(error instanceof ServerError);
}

function withoutItsWords(cause: ProvisionerError): ProvisionerError {
  return new ProvisionerError(cause.code, "The engine failed at this request.", {
    hint: "Look for the request id in the server's log.",
    retryable: cause.retryable,
    cause,
  });
}

function pathOf(url: string): string {
  return url.split("?", 1)[0] ?? url;
}
