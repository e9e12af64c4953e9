import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { buildLogs, builds, operations } from "../src/store/schema.js";
import {
  arbitraryOf,
  createAnswerCheck,
  listOperations,
  type AnswerCheck,
  type OpenapiDocument,
  type Operation,
} from "./support/openapi-document.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

const RUNS = 4;

let server: TestServer;
let document: OpenapiDocument;
let check: AnswerCheck;

beforeAll(async () => {
  server = await startTestServer();
  document = (await server.request("/openapi.json")).body as OpenapiDocument;
  check = createAnswerCheck(document);
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Facts {
  readonly workspaceId: string;
  readonly operationId: string;
  readonly buildId: string;
  readonly tokenId: string;
}

interface Request {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

/** A workspace with one of everything. */
async function prepare(): Promise<Facts> {
  const created = await server.request("/workspaces", {
    body: { name: "agent", secrets: { A_KEY: "a value" } },
  });
  const { id: workspaceId } = created.body as { id: string };
  const { store } = server.context;
  await expect
    .poll(async () => {
      const { body } = await server.request(`/workspaces/${workspaceId}`);
      return (body as { status: string }).status;
    })
    .toBe("online");
  const [buildId, operationId] = [randomUUID(), randomUUID()];
  await store.db.insert(operations).values({
    id: operationId,
    workspaceId,
    runtime: "langgraph",
    kind: "restart",
    state: "queued",
    requestedBy: "admin",
    // Until the end of the test.
    notBefore: new Date(Date.now() + 3_600_000),
  });
  await store.db.insert(builds).values({
    id: buildId,
    operationId,
    workspaceId,
    runtime: "langgraph",
    state: "succeeded",
    logLines: 1,
  });
  await store.db
    .insert(buildLogs)
    .values({ buildId, seq: 1, at: new Date(), stream: "stdout", line: "done" });
  const issued = await server.request(`/workspaces/${workspaceId}/tokens`, { method: "POST" });
  expect(issued.status).toBe(201);
  const { tokens } = server.context;
  const tokenId = (await tokens.list(workspaceId)).at(-1)?.id ?? "";
  return { workspaceId, operationId, buildId, tokenId };
}

/** Requests that must succeed, where one with any allowed values would not. */
const SUCCEEDING: Readonly<Record<string, (facts: Facts) => Request>> = {
  "POST /workspaces": () => ({ body: { name: "another" } }),
  "PATCH /workspaces/{id}": () => ({ body: { name: "renamed" } }),
  "DELETE /workspaces/{id}": () => ({ query: { confirm: "true" } }),
  "POST /workspaces/{id}/restart": () => ({ body: {} }),
  "POST /workspaces/{id}/hibernate": () => ({ query: { force: "true" } }),
  "POST /admin/workspaces/{id}/bootstrap-failed": () => ({ body: { error: "no" } }),
  "PUT /admin/images/{runtime}/pin": () => ({
    path: { runtime: "langgraph" },
    body: { digest: `sha256:${"a".repeat(64)}` },
  }),
  "DELETE /admin/images/{runtime}/pin": () => ({ path: { runtime: "langgraph" } }),
  "POST /admin/workspace-images/refresh": () => ({ query: { runtime: "langgraph" } }),
  "POST /workspaces/{id}/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "PUT /workspaces/{id}/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "DELETE /workspaces/{id}/secrets/{key}": () => ({ path: { key: "A_KEY" } }),
  "POST /settings/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "PUT /settings/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "DELETE /settings/secrets/{key}": () => ({ path: { key: "A_KEY" } }),
  "POST /admin/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "PUT /admin/secrets": () => ({ body: { key: "A_KEY", value: "a value" } }),
  "DELETE /admin/secrets/{key}": () => ({ path: { key: "A_KEY" } }),
  "PUT /workspaces/{id}/model": () => ({ body: { model: "sonnet" } }),
  "PATCH /workspaces/{id}/config": () => ({ body: { a: 1 } }),
  "POST /registry/register": ({ workspaceId }) => ({
    body: { id: workspaceId, url: "http://agent.example", agent_card: { name: "agent" } },
  }),
  "POST /registry/heartbeat": ({ workspaceId }) => ({ body: { workspace_id: workspaceId } }),
  "POST /registry/update-card": ({ workspaceId }) => ({
    body: { workspace_id: workspaceId, agent_card: { name: "agent" } },
  }),
  "GET /registry/discover/{id}": ({ workspaceId }) => ({
    headers: { "x-workspace-id": workspaceId },
  }),
  "GET /registry/{id}/peers": ({ workspaceId }) => ({ headers: { "x-workspace-id": workspaceId } }),
  "POST /registry/check-access": ({ workspaceId }) => ({
    headers: { "x-workspace-id": workspaceId },
    body: { caller_id: workspaceId, target_id: workspaceId },
  }),
};

/** What never succeeds here, and what needs a workspace in another state; they are tried all the same. */
const NEVER_SUCCEEDING = new Set([
  "GET /workspaces/{id}/console",
  "POST /workspaces/{id}/resume",
  "PUT /admin/images/{runtime}/pin",
  "DELETE /admin/images/{runtime}/pin",
  // There is no engine that is gone.
  "POST /admin/hosts/{hostId}/retire",
]);

function pathValue(operation: Operation, name: string, facts: Facts): string | undefined {
  if (name === "tokenId") return facts.tokenId;
  if (name !== "id") return undefined;
  if (operation.path.startsWith("/operations/")) return facts.operationId;
  if (operation.path.startsWith("/builds/")) return facts.buildId;
  return facts.workspaceId;
}

/** Any request that the document allows, about what is there. */
function arbitraryRequest(operation: Operation, facts: Facts): fc.Arbitrary<Request> {
  const values = (where: string) => {
    const parameters = operation.parameters.filter((parameter) => parameter.in === where);
    const model = parameters.map(({ name, schema }) => {
      const known = where === "path" ? pathValue(operation, name, facts) : undefined;
      const value = known === undefined ? arbitraryOf(document, schema) : fc.constant(known);
      return [name, value.map(String)] as const;
    });
    const requiredKeys = parameters.filter(({ required }) => required).map(({ name }) => name);
    return fc.record(Object.fromEntries(model), { requiredKeys });
  };
  const schema = operation.requestBody?.content["application/json"]?.schema;
  return fc.record({
    path: values("path"),
    query: values("query"),
    // Only what a header can hold.
    headers: values("header").map((headers) =>
      Object.fromEntries(Object.entries(headers).filter(([, text]) => /^[\x21-\x7e]*$/.test(text))),
    ),
    ...(schema === undefined ? {} : { body: arbitraryOf(document, schema) }),
  }) as fc.Arbitrary<Request>;
}

async function send(
  operation: Operation,
  facts: Facts,
  request: Request,
  token?: string | null,
): Promise<number> {
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) =>
    encodeURIComponent(request.path?.[name] ?? pathValue(operation, name, facts) ?? "x"),
  );
  const query = new URLSearchParams(request.query).toString();
  const leave = new AbortController();
  const response = await server.fetch(`${path}${query === "" ? "" : `?${query}`}`, {
    method: operation.method,
    signal: leave.signal,
    ...(token === undefined ? {} : { token }),
    ...(request.headers === undefined ? {} : { headers: request.headers }),
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  const contentType = response.headers.get("content-type") ?? "";
  const isStream = !contentType.startsWith("application/json");
  const body = isStream ? await readSome(response) : ((await response.json()) as unknown);
  leave.abort();
  expect(
    check(operation, { status: response.status, contentType, body }),
    `${operation.method} ${operation.path} ${JSON.stringify(request)}`,
  ).toBeUndefined();
  return response.status;
}

async function readSome(response: Response): Promise<string> {
  // An agent that prints nothing has a log that goes on without a byte.
  const first = await Promise.race([response.body?.getReader().read(), sleep(500)]);
  return Buffer.from(first?.value ?? new Uint8Array()).toString("utf8");
}

describe("every operation of the published document", () => {
  it("answers what it documents, to requests that the document allows", async () => {
    const hasSucceeded = new Set<string>();
    let facts = await prepare();
    for (const operation of listOperations(document)) {
      const name = `${operation.method} ${operation.path}`;
      const samples = fc.sample(arbitraryRequest(operation, facts), { numRuns: RUNS, seed: 1 });
      for (const sample of samples) {
        const status = await send(operation, facts, sample);
        if (status < 400) hasSucceeded.add(name);
      }
      // What was there may be gone by now.
      if (operation.method !== "GET") facts = await prepare();
      const known = SUCCEEDING[name]?.(facts) ?? {};
      const status = await send(operation, facts, known);
      if (status < 400) hasSucceeded.add(name);
      if (operation.method === "DELETE") facts = await prepare();
    }
    const expected = listOperations(document)
      .map(({ method, path }) => `${method} ${path}`)
      .filter((name) => !NEVER_SUCCEEDING.has(name));
    expect([...hasSucceeded].filter((name) => !NEVER_SUCCEEDING.has(name)).sort()).toEqual(
      expected.sort(),
    );
  }, 180_000);

  it("answers what it documents to who has no token, or one of another workspace", async () => {
    const facts = await prepare();
    const other = await prepare();
    const issued = await server.request(`/workspaces/${other.workspaceId}/tokens`, {
      method: "POST",
    });
    const { auth_token: token } = issued.body as { auth_token: string };
    for (const operation of listOperations(document)) {
      const known = SUCCEEDING[`${operation.method} ${operation.path}`]?.(facts) ?? {};
      for (const caller of [null, "not-a-token", token]) {
        await send(operation, facts, known, caller);
      }
    }
  }, 120_000);
});
