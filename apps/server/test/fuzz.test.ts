import { sql } from "drizzle-orm";
import fc from "fast-check";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WORKSPACE_STATUSES } from "../src/state/workspace-status.js";
import { queryRows } from "../src/store/database.js";
import {
  arbitraryOf,
  createAnswerCheck,
  listOperations,
  type AnswerCheck,
  type OpenapiDocument,
  type Operation,
} from "./support/openapi-document.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

/** Requests for each route. */
const RUNS = 12;

let server: TestServer;
let document: OpenapiDocument;
let check: AnswerCheck;
let ids: string[];

beforeAll(async () => {
  server = await startTestServer();
  document = (await server.request("/openapi.json")).body as OpenapiDocument;
  check = createAnswerCheck(document);
  ids = [];
  for (let n = 0; n < 3; n += 1) {
    const { body } = await server.request("/workspaces", { body: { name: `agent ${n}` } });
    ids.push((body as { id: string }).id);
  }
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

const hostileText = fc.oneof(
  fc.constantFrom(
    "",
    " ",
    "\u0000",
    "a\u0000b",
    "\uD800",
    "\r\nX: y",
    "../../etc/passwd",
    "%2e%2e%2f",
    "'; drop table workspaces; --",
    "${7*7}{{7*7}}",
    "__proto__",
    "constructor",
    "null",
    "NaN",
    "-0",
    "1e309",
    "9223372036854775808",
    "99999999999999999999999999",
    "0x10",
    "true",
    "\u202Eevil",
    "😀".repeat(300),
    "a".repeat(3000),
    "http://169.254.169.254/latest",
    "javascript:alert(1)",
    "{}[]|>*&!: \n- x",
    "2026-99-99T99:99:99Z",
    "275760-09-13T00:00:00.001Z",
  ),
  fc.string({ unit: "binary", maxLength: 50 }),
);

const hostileValue: fc.Arbitrary<unknown> = fc.oneof(
  hostileText,
  fc.constantFrom<unknown>(null, true, 0, -1, 0.1, 1e308, -1e308, 2 ** 53, 2 ** 31, 2 ** 63),
  fc.constantFrom<unknown>([], {}, [[[[[]]]]], { a: { b: { c: [null] } } }),
  fc.jsonValue({ maxDepth: 3 }),
);

/** A value that is allowed, with one thing in it that may be anything. */
function spoiled(value: unknown): fc.Arbitrary<unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return hostileValue;
  const names = [...Object.keys(value), "more"];
  return fc
    .tuple(fc.constantFrom(...names), hostileValue)
    .map(([name, inner]) => ({ ...value, [name]: inner }));
}

interface Hostile {
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  readonly token: string | null | undefined;
}

function arbitraryRequest(operation: Operation): fc.Arbitrary<Hostile> {
  const value = (name: string): fc.Arbitrary<string> =>
    name === "id"
      ? fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...ids) }, fc.uuid(), hostileText)
      : fc.oneof(fc.constantFrom("langgraph", "A_KEY"), hostileText);
  const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name = ""]) => name);
  const path = fc
    .tuple(...names.map(value))
    .map((values) =>
      names.reduce(
        (text, name, n) => text.replace(`{${name}}`, encode(values[n] ?? "")),
        operation.path,
      ),
    );
  const parameters = operation.parameters.filter((parameter) => parameter.in === "query");
  const query = fc.dictionary(
    fc.oneof(fc.constantFrom("limit", "x", ...parameters.map(({ name }) => name)), hostileText),
    hostileText,
    { maxKeys: 3 },
  );
  const headerText = hostileText.map((text) => text.replace(/[^\x20-\x7e]/g, "?").slice(0, 2000));
  const headers = fc.dictionary(
    fc.constantFrom(
      "last-event-id",
      "idempotency-key",
      "x-workspace-id",
      "x-request-id",
      "accept",
      "x-molecule-forwarded",
    ),
    headerText,
    { maxKeys: 2 },
  );
  const schema = operation.requestBody?.content["application/json"]?.schema;
  const json =
    schema === undefined
      ? hostileValue
      : fc.oneof(arbitraryOf(document, schema).chain(spoiled), hostileValue);
  const body = fc.oneof(
    { weight: 6, arbitrary: json.map((text) => JSON.stringify(text)) },
    fc.constantFrom(
      "{",
      "",
      '{"a":1}}',
      '{"__proto__":{"admin":true}}',
      "\uFEFF{}",
      "[".repeat(5000),
    ),
  );
  return fc.record({
    path: fc.tuple(path, query).map(([text, fields]) => {
      const pairs = Object.entries(fields).map(([name, text]) => `${encode(name)}=${encode(text)}`);
      return pairs.length === 0 ? text : `${text}?${pairs.join("&")}`;
    }),
    method: fc.constant(operation.method),
    headers: fc
      .tuple(
        headers,
        fc.oneof(
          { weight: 8, arbitrary: fc.constant("application/json") },
          fc.constantFrom("text/plain", "application/xml", "application/json; charset=utf-99", "x"),
        ),
      )
      .map(([more, type]) =>
        operation.method === "GET" ? more : { "content-type": type, ...more },
      ),
    body: operation.method === "GET" ? fc.constant(undefined) : body,
    token: fc.oneof(
      { weight: 8, arbitrary: fc.constant(undefined) },
      fc.constantFrom(null, "x", "a".repeat(600)),
    ),
  });
}

/** As much as a URL can hold, percent-encoded; what is no text is sent as bytes. */
function encode(text: string): string {
  return [...Buffer.from(text, "utf8")]
    .map((byte) => `%${byte.toString(16).padStart(2, "0")}`)
    .join("");
}

async function send(operation: Operation, request: Hostile): Promise<string | undefined> {
  const leave = new AbortController();
  const { token = server.adminToken } = request;
  const response = await fetch(`${server.url}${request.path}`, {
    method: request.method,
    headers: {
      ...request.headers,
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
    },
    signal: leave.signal,
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  const contentType = response.headers.get("content-type") ?? "";
  try {
    if (response.status === 500) return `500 ${await response.text()}`;
    const isJson = contentType.startsWith("application/json");
    // A value that is empty or has a slash makes it the path of another route, or of none.
    if (response.status === 404 && isJson) {
      const body = (await response.json()) as { code?: string };
      if (body.code === "ERR_ROUTE_NOT_FOUND") return undefined;
      return check(operation, { status: 404, contentType, body });
    }
    if (!isJson) {
      const first = await Promise.race([response.body?.getReader().read(), sleep(500)]);
      const body = Buffer.from(first?.value ?? new Uint8Array()).toString("utf8");
      return check(operation, { status: response.status, contentType, body });
    }
    return check(operation, {
      status: response.status,
      contentType,
      body: (await response.json()) as unknown,
    });
  } finally {
    leave.abort();
  }
}

it("answers hostile requests only with what is documented, and the store stays whole", async () => {
  const faults: string[] = [];
  const operations = listOperations(document);
  // Last what would leave nothing to be hostile to.
  const isRemoval = ({ method, path }: Operation): boolean =>
    method === "DELETE" && path === "/workspaces/{id}";
  operations.sort((a, b) => Number(isRemoval(a)) - Number(isRemoval(b)));
  for (const operation of operations) {
    const samples = fc.sample(arbitraryRequest(operation), { numRuns: RUNS, seed: 7 });
    for (const request of samples) {
      const fault = await send(operation, request);
      if (fault === undefined) continue;
      faults.push(
        `${operation.method} ${operation.path}: ${fault}\n${JSON.stringify(request).slice(0, 600)}`,
      );
    }
  }
  expect(faults.slice(0, 10), `${faults.length} faults`).toEqual([]);
  expect((await server.request("/health")).status).toBe(200);
  await expectWhole();
}, 300_000);

/** What must hold in a store, whatever was asked of it. */
async function expectWhole(): Promise<void> {
  const { db } = server.context.store;
  const several = await queryRows(
    db,
    sql`
      select workspace_id, count(*) from operations
      where state in ('queued', 'running') group by workspace_id having count(*) > 1`,
  );
  expect(several).toEqual([]);
  const statuses = await queryRows<{ status: string }>(
    db,
    sql`select distinct status::text as status from workspaces`,
  );
  for (const { status } of statuses) expect(WORKSPACE_STATUSES).toContain(status);
  const alone = await queryRows(
    db,
    sql`
      select o.id from operations o left join workspaces w on w.id = o.workspace_id
      where o.state in ('waiting', 'queued', 'running') and w.id is null`,
  );
  expect(alone).toEqual([]);
  const orphaned = await queryRows(
    db,
    sql`
      select child.id from workspaces child join workspaces parent on parent.id = child.parent_id
      where child.status <> 'removed' and parent.status = 'removed'`,
  );
  expect(orphaned).toEqual([]);
  const tokens = await queryRows(
    db,
    sql`
      select t.id from auth_tokens t join workspaces w on w.id = t.workspace_id
      where w.status = 'removed' and t.revoked_at is null`,
  );
  expect(tokens).toEqual([]);
}
