import { randomUUID } from "node:crypto";
import { desc, eq } from "drizzle-orm";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { events, workspaces } from "../src/store/schema.js";
import { APP_ADMIN_TOKEN, startAppServer, type AppServer } from "./support/app-server.js";

const UUID = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const ADMIN = bearer(APP_ADMIN_TOKEN);
const GARBAGE = bearer("A".repeat(43));

interface Problem {
  readonly error: string;
  readonly code: string;
  readonly hint?: string;
}

/** One server for what needs no settings of its own. */
let app: AppServer;
beforeAll(async () => {
  app = await startAppServer();
});
afterAll(() => app[Symbol.asyncDispose]());

async function ask(server: AppServer, path: string, init: RequestInit = {}) {
  const response = await fetch(`${server.url}${path}`, init);
  const text = await response.text();
  const body = text === "" ? undefined : (JSON.parse(text) as Problem);
  return { status: response.status, headers: response.headers, body };
}

async function insertWorkspace({ store }: AppServer): Promise<string> {
  const id = randomUUID();
  const row = { id, name: "w", tier: 2, status: "online", runtime: "langgraph" } as const;
  await store.db.insert(workspaces).values({ ...row, createdBy: "admin" });
  return id;
}

async function issueToken({ store, server }: AppServer, workspaceId: string): Promise<string> {
  const token = { workspaceId, operationId: undefined, createdBy: "admin" };
  const { tokens } = server.context;
  return (await store.db.transaction((tx) => tokens.issue(tx, token))).token;
}

/** Bytes as they are, for what no client would send. */
async function send(server: AppServer, bytes: string): Promise<string> {
  const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
  await once(socket, "connect");
  let answer = "";
  socket.on("data", (chunk) => (answer += String(chunk)));
  socket.on("error", () => undefined);
  const closed = once(socket, "close");
  socket.write(bytes);
  socket.end();
  await closed;
  return answer;
}

it("answers a request without a token, with a bad one and with another's as three things", async () => {
  const id = await insertWorkspace(app);
  const other = await issueToken(app, await insertWorkspace(app));
  const path = `/workspaces/${id}/tokens`;

  const none = await ask(app, path);
  expect(none.status).toBe(401);
  expect(none.headers.get("www-authenticate")).toBe('Bearer realm="molecule"');
  expect(none.body).toMatchObject({
    code: "ERR_UNAUTHENTICATED",
    error: "The request has no token.",
  });

  for (const headers of [GARBAGE, bearer("x"), bearer("a b c"), bearer("\u00e9")]) {
    const bad = await ask(app, path, { headers });
    expect(bad.status).toBe(401);
    expect(bad.headers.get("www-authenticate")).toBe(
      'Bearer realm="molecule", error="invalid_token"',
    );
    expect(bad.body).toMatchObject({
      code: "ERR_UNAUTHENTICATED",
      error: "The token is not valid.",
    });
  }

  const foreign = await ask(app, path, { headers: bearer(other) });
  expect(foreign.status).toBe(403);
  expect(foreign.body).toMatchObject({ code: "ERR_FORBIDDEN" });
  expect(foreign.body?.hint).toBeTruthy();

  const basic = `Basic ${Buffer.from(`admin:${APP_ADMIN_TOKEN}`).toString("base64")}`;
  expect((await ask(app, path, { headers: { authorization: basic } })).status).toBe(401);
});

it("does not mind a bad token where everybody may ask", async () => {
  expect((await ask(app, "/health", { headers: GARBAGE })).status).toBe(200);
  const id = await insertWorkspace(app);
  expect((await ask(app, `/workspaces/${id}`, { headers: GARBAGE })).status).toBe(200);
});

it("issues, lists and revokes tokens of a workspace, and each shows in the events", async () => {
  const id = await insertWorkspace(app);
  const requestId = randomUUID();
  const issued = await ask(app, `/workspaces/${id}/tokens`, {
    method: "POST",
    headers: { ...ADMIN, "x-request-id": requestId },
  });
  expect(issued.status).toBe(201);
  const { auth_token: token, ...rest } = issued.body as unknown as Record<string, string>;
  expect(rest).toMatchObject({ workspace_id: id, message: expect.any(String) as string });
  const [event] = await app.store.db.select().from(events).orderBy(desc(events.id)).limit(1);
  expect(event).toMatchObject({
    eventType: "TOKEN_ISSUED",
    actor: "admin",
    requestId,
    workspaceId: id,
  });
  expect(JSON.stringify(event)).not.toContain(token);

  const own = { headers: bearer(token ?? "") };
  const listed = await ask(app, `/workspaces/${id}/tokens`, own);
  expect(listed.body).toMatchObject({
    count: 1,
    tokens: [{ prefix: token?.slice(0, 8), created_by: "admin", operation_id: null }],
  });
  expect(JSON.stringify(listed.body)).not.toContain(token);

  const path = `/workspaces/${id}/tokens/${rest["id"]}`;
  const revoked = await ask(app, path, { ...own, method: "DELETE" });
  expect(revoked).toMatchObject({ status: 200, body: { status: "revoked", id: rest["id"] } });
  expect((await ask(app, `/workspaces/${id}/tokens`, own)).status).toBe(401);
  expect((await ask(app, path, { method: "DELETE", headers: ADMIN })).status).toBe(404);
  const [last] = await app.store.db.select().from(events).orderBy(desc(events.id)).limit(1);
  expect(last).toMatchObject({ eventType: "TOKEN_REVOKED", actor: `workspace:${id}` });
});

it("knows no tokens of a workspace that is not there or was removed", async () => {
  const id = await insertWorkspace(app);
  await app.store.db.update(workspaces).set({ status: "removed" }).where(eq(workspaces.id, id));
  for (const path of [`/workspaces/${id}/tokens`, `/workspaces/${randomUUID()}/tokens`]) {
    expect((await ask(app, path, { headers: ADMIN })).status).toBe(404);
    expect((await ask(app, path, { method: "POST", headers: ADMIN })).status).toBe(404);
  }
});

it("says platform_unavailable while the store is down, and 200 to who asks for its health", async () => {
  await using app = await startAppServer();
  const id = await insertWorkspace(app);
  const token = await issueToken(app, id);
  await app.store[Symbol.asyncDispose]();
  const headers = bearer(token);
  const answer = await ask(app, `/workspaces/${id}/tokens`, { headers });
  expect(answer.status).toBe(503);
  expect(answer.body).toMatchObject({ code: "platform_unavailable" });
  expect((await ask(app, "/health", { headers })).status).toBe(200);
});

it("limits each caller by itself, and says when to come back", async () => {
  await using app = await startAppServer({ env: { RATE_LIMIT: "3" } });
  const [one, two] = [await insertWorkspace(app), await insertWorkspace(app)];
  const tokensOfOne = [await issueToken(app, one), await issueToken(app, one)];
  const tokenOfTwo = await issueToken(app, two);
  const status = async (id: string, token: string | undefined) =>
    (await ask(app, `/workspaces/${id}/tokens`, { headers: bearer(token ?? "") })).status;

  // A second token gives no second allowance.
  const got = [];
  for (const token of [0, 1, 0, 1]) got.push(await status(one, tokensOfOne[token]));
  expect(got).toEqual([200, 200, 200, 429]);
  expect(await status(two, tokenOfTwo)).toBe(200);

  const limited = await ask(app, `/workspaces/${one}/tokens`, {
    headers: bearer(tokensOfOne[0] ?? ""),
  });
  expect(limited.body).toMatchObject({
    code: "ERR_RATE_LIMITED",
    details: { retry_after: expect.any(Number) as number },
  });
  expect(Number(limited.headers.get("retry-after"))).toBeGreaterThan(0);
  expect(Number(limited.headers.get("retry-after"))).toBeLessThanOrEqual(60);
});

it("limits strangers by address, also where there is no route, and does not believe them another one", async () => {
  await using app = await startAppServer({ env: { RATE_LIMIT: "3" } });
  const got = [];
  for (let n = 0; n < 4; n++) {
    const headers = { "x-forwarded-for": `198.51.100.${n}` };
    got.push((await ask(app, "/nothing", { headers })).status);
  }
  expect(got).toEqual([404, 404, 404, 429]);
});

it("believes the address that a trusted proxy tells", async () => {
  await using app = await startAppServer({
    env: { RATE_LIMIT: "1", MOLECULE_TRUST_PROXY: "10.0.0.0/8, 127.0.0.1" },
  });
  const from = async (address: string) =>
    (await ask(app, "/nothing", { headers: { "x-forwarded-for": address } })).status;
  expect([await from("198.51.100.1"), await from("198.51.100.1")]).toEqual([404, 429]);
  expect(await from("198.51.100.2")).toBe(404);
  // What the client itself wrote before the proxy is not believed.
  expect(await from("203.0.113.9, 198.51.100.1")).toBe(429);
});

it("hears an address that guesses tokens only with those it knew before", async () => {
  await using app = await startAppServer();
  const id = await insertWorkspace(app);
  const [known, unknown] = [await issueToken(app, id), await issueToken(app, id)];
  const status = async (token: string) =>
    (await ask(app, `/workspaces/${id}/tokens`, { headers: bearer(token) })).status;
  expect(await status(known)).toBe(200);
  expect(await status(APP_ADMIN_TOKEN)).toBe(200);
  const guesses = [];
  for (let n = 0; n < 32; n++) guesses.push(await status(`${"A".repeat(40)}${100 + n}`));
  expect(guesses.slice(0, 30)).toEqual(Array.from({ length: 30 }, () => 401));
  expect(guesses.slice(30)).toEqual([429, 429]);
  expect(await status(unknown)).toBe(429);
  expect(await status(known)).toBe(200);
  expect(await status(APP_ADMIN_TOKEN)).toBe(200);
  expect((await ask(app, "/health", { headers: GARBAGE })).status).toBe(200);
});

it("gives every answer an id: the client's when it is one, else its own", async () => {
  const idFor = async (given?: string) => {
    const headers = given === undefined ? {} : { "x-request-id": given };
    return (await ask(app, "/nothing", { headers })).headers.get("x-request-id");
  };
  const [uuid, trace] = [randomUUID(), "0af7651916cd43dd8448eb211c80319c"];
  expect(await idFor(uuid)).toBe(uuid);
  expect(await idFor(trace)).toBe(trace);
  expect(await idFor()).toMatch(UUID);
  for (const odd of ["x", "A".repeat(43), "a b", "1".repeat(5000), `${uuid}, ${uuid}`]) {
    expect(await idFor(odd)).toMatch(UUID);
    expect(await idFor(odd)).not.toBe(odd);
  }
});

it.each([
  ["/health", 200],
  ["/nothing", 404],
  ["/workspaces", 401],
])("puts the security headers on %s, which is %i", async (path, status) => {
  const answer = await ask(app, path);
  expect(answer.status).toBe(status);
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
  });
  expect(answer.headers.get("access-control-allow-origin")).toBeNull();
});

it("lets browsers in from the origins of CORS_ORIGINS, and from no other", async () => {
  await using app = await startAppServer({
    env: { CORS_ORIGINS: "https://a.example, https://b.example" },
  });
  const from = (origin: string, init: RequestInit = {}) =>
    ask(app, "/workspaces", { ...init, headers: { ...init.headers, origin } });
  const preflight = { method: "OPTIONS", headers: { "access-control-request-method": "POST" } };

  const allowed = await from("https://b.example");
  expect(allowed.headers.get("access-control-allow-origin")).toBe("https://b.example");
  expect(allowed.headers.get("vary")).toContain("Origin");
  expect(allowed.headers.get("access-control-allow-credentials")).toBeNull();
  const asked = await from("https://a.example", preflight);
  expect(asked.status).toBe(204);
  expect(asked.headers.get("access-control-allow-headers")).toContain("Authorization");

  for (const origin of [
    "https://c.example",
    "https://a.example.evil",
    "http://a.example",
    "null",
  ]) {
    expect((await from(origin)).headers.get("access-control-allow-origin")).toBeNull();
    expect((await from(origin, preflight)).status).toBe(404);
  }
});

it("refuses bodies, URLs and headers that are too large, each in the one shape of errors", async () => {
  const large = await ask(app, "/workspaces", {
    method: "POST",
    headers: { ...ADMIN, "content-type": "application/json" },
    body: JSON.stringify({ name: "x".repeat(1024 * 1024) }),
  });
  expect(large).toMatchObject({ status: 413, body: { code: "ERR_REQUEST_TOO_LARGE" } });
  const long = await ask(app, `/health?${"x".repeat(4096)}`);
  expect(long).toMatchObject({ status: 413, body: { code: "ERR_REQUEST_TOO_LARGE" } });
  const header = await ask(app, "/health", { headers: { "x-much": "x".repeat(17_000) } });
  expect(header).toMatchObject({ status: 431, body: { code: "ERR_REQUEST_TOO_LARGE" } });
});

it("does not read the body of a caller it refuses", async () => {
  const answer = await ask(app, "/workspaces", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: "this is not JSON",
  });
  expect(answer.status).toBe(401);
});

it.each(["/%zz", "/workspaces/%E0%A4%A", `/workspaces/${"x".repeat(1000)}`])(
  "refuses the path %s in the one shape of errors",
  async (path) => {
    const answer = await send(app, `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    const body = JSON.parse(answer.slice(answer.indexOf("\r\n\r\n") + 4)) as Problem;
    expect(body.code).toMatch(/^ERR_(?:REQUEST_INVALID|NOT_FOUND|ROUTE_NOT_FOUND)$/);
    expect(typeof body.error).toBe("string");
  },
);

it.each(["nonsense\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u0000 HTTP/1.1\r\nHost: x\r\n\r\n"])(
  "answers bytes that are no request, %j, in the one shape of errors",
  async (bytes) => {
    const answer = await send(app, bytes);
    expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    expect(answer).toContain('"code":"ERR_REQUEST_INVALID"');
    expect((await ask(app, "/health")).status).toBe(200);
  },
);

it("takes __proto__ and constructor out of bodies", async () => {
  const id = await insertWorkspace(app);
  const answer = await ask(app, `/workspaces/${id}/config`, {
    method: "PATCH",
    headers: { ...ADMIN, "content-type": "application/json" },
    body: '{"a":1,"__proto__":{"isAdmin":true},"constructor":{"prototype":{"isAdmin":true}}}',
  });
  expect(answer.status).toBe(200);
  const read = await ask(app, `/workspaces/${id}/config`, { headers: ADMIN });
  expect(read.body).toEqual({ data: { a: 1 } });
  expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
});
