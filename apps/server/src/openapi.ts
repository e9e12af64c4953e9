import swagger from "@fastify/swagger";
import swaggerUi from "@fastify/swagger-ui";
import type { RouteOptions } from "fastify";
import {
  createJsonSchemaTransform,
  createJsonSchemaTransformObject,
} from "fastify-type-provider-zod";
import { STATUS_CODES } from "node:http";
import { z } from "zod";
import type { App } from "./app.js";
import { readVersion } from "./version.js";

const DOCS_PATH = "/docs";

const TAGS = [
  ["workspaces", "Agents and their life"],
  ["operations", "Everything that is done to workspaces, as a queue"],
  ["builds", "Builds of images and their output"],
  ["images", "Which images there are, and which run"],
  ["events", "What happened, as a list and as a stream"],
  ["secrets", "What agents may know; stored sealed"],
  ["tokens", "What agents prove with who they are"],
  ["registry", "What agents call"],
  ["settings", "What holds for all workspaces"],
  ["admin", "What runs in the background"],
  ["server", "The server itself"],
] as const;

/**
 * The document of all routes that are registered after it, and pages to read it. Registered before
 * any route.
 */
export async function registerOpenapi(app: App): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: "3.1.0",
      info: {
        title: "Molecule control plane",
        description:
          "Keeps a fleet of agent workspaces in the state people asked for.\n\n" +
          "Everything that is not a success is an `Error`: `{error, code, hint?, details?}`.",
        version: readVersion(),
        license: { name: "Apache-2.0", identifier: "Apache-2.0" },
      },
      servers: [{ url: "/" }],
      tags: TAGS.map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: {
          admin: {
            type: "http",
            scheme: "bearer",
            description: "The token of the administrator.",
          },
          workspace: {
            type: "http",
            scheme: "bearer",
            description: "A token of the workspace that the request is about.",
          },
        },
      },
    },
    transform(input) {
      const transformed = createJsonSchemaTransform({})(input);
      const { schema } = transformed;
      return { ...transformed, schema: { ...schema, security: securityOf(input.route) } };
    },
    transformObject: (input) => finishDocument(createJsonSchemaTransformObject({})(input)),
  });
  await app.register(swaggerUi, {
    routePrefix: DOCS_PATH,
    // All of it comes from here: it works without a network, and nothing else is let in.
    staticCSP:
      "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
      "font-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
    uiConfig: { docExpansion: "list", persistAuthorization: false, validatorUrl: null },
  });
  app.get(
    "/openapi.json",
    {
      config: { access: "open" },
      schema: {
        tags: ["server"],
        summary: "This document",
        response: { 200: z.record(z.string(), z.unknown()) },
      },
    },
    () => ({ ...app.swagger() }),
  );
}

interface Operation {
  operationId?: string;
  responses?: Record<string, { description?: string }>;
}

interface Document {
  paths?: Record<string, Record<string, Operation>>;
  components?: { schemas?: Record<string, unknown> };
}

/** Names every operation, says what each status is, and leaves out schemas that nothing refers to. */
function finishDocument<Finished>(generated: Finished): Finished {
  const document = structuredClone(generated);
  const { paths = {}, components } = document as Document;
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      operation.operationId = operationIdOf(method, path);
      for (const [status, response] of Object.entries(operation.responses ?? {})) {
        if (response.description !== "Default Response") continue;
        response.description = STATUS_CODES[status] ?? status;
      }
    }
  }
  const schemas = components?.schemas ?? {};
  const used = new Set<string>();
  const follow = (value: unknown): void => {
    for (const [, name = ""] of JSON.stringify(value).matchAll(
      /"#\/components\/schemas\/(\w+)"/g,
    )) {
      if (used.has(name)) continue;
      used.add(name);
      follow(schemas[name] ?? {});
    }
  };
  follow(paths);
  for (const name of Object.keys(schemas)) if (!used.has(name)) delete schemas[name];
  return document;
}

/** `GET /workspaces/{id}/logs` → `getWorkspacesByIdLogs`. */
function operationIdOf(method: string, path: string): string {
  const words = path
    .split("/")
    .filter((part) => part !== "")
    .map((part) => part.replace(/^\{(.*)\}$/, "by-$1"))
    .join("-")
    .split(/[^A-Za-z0-9]+/)
    .map((word) => `${word.slice(0, 1).toUpperCase()}${word.slice(1)}`);
  return `${method}${words.join("")}`;
}

/** The pages come from a plugin, which cannot say who may call them; an `onRoute` hook. */
export function openDocsPages(route: RouteOptions): void {
  if (route.url !== DOCS_PATH && !route.url.startsWith(`${DOCS_PATH}/`)) return;
  route.config = { ...route.config, access: "open" };
}

function securityOf(route: RouteOptions): Record<string, string[]>[] {
  const access = route.config?.access;
  switch (access) {
    case "admin":
      return [{ admin: [] }];
    case "workspace":
      return [{ workspace: [] }, { admin: [] }];
    case "registry":
      // An agent without a token of its own yet may register.
      return [{ workspace: [] }, { admin: [] }, {}];
    case "open":
    case undefined:
      return [];
    default:
      return access satisfies never;
  }
}
