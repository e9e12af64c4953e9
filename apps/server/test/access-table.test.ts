import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { builds, operations, workspaces } from "../src/store/schema.js";
import { APP_ADMIN_TOKEN, startAppServer, type AppServer } from "./support/app-server.js";

/** Who calls: with no token, with one that is not valid, one that was, another workspace's … */
const CALLERS = ["none", "garbage", "revoked", "other", "own", "admin"] as const;
type CallerName = (typeof CALLERS)[number];
/** A status the caller must get, or `in`: anything the handler says, but neither 401 nor 403. */
type Verdict = 401 | 403 | 404 | "in";
type Row = Readonly<Record<CallerName, Verdict>>;

const row = (...verdicts: [Verdict, Verdict, Verdict, Verdict, Verdict, Verdict]): Row =>
  Object.fromEntries(CALLERS.map((caller, at) => [caller, verdicts[at]])) as unknown as Row;

/** Everybody, on purpose: see docs/security.md. */
const OPEN = row("in", "in", "in", "in", "in", "in");
const ADMIN = row(401, 401, 401, 403, 403, "in");
const WORKSPACE = row(401, 401, 401, 403, "in", "in");
/** As WORKSPACE, when a token of the workspace is on file; else see below. */
const AGENT = WORKSPACE;
/** What is found by an id of its own does not exist for another workspace. */
const HIDDEN = row(401, 401, 401, 404, "in", "in");

/** A route that is not here fails the test: write down who may call it, and why. */
const TABLE: Readonly<Record<string, Row>> = {
  "GET /health": OPEN,
  "GET /ready": OPEN,
  "GET /metrics": OPEN,
  "GET /openapi.json": OPEN,
  "GET /docs": OPEN,
  "GET /docs/json": OPEN,
  "GET /docs/yaml": OPEN,
  "GET /docs/static/*": OPEN,
  "GET /docs/static/index.html": OPEN,
  "GET /docs/static/swagger-initializer.js": OPEN,
  "GET /workspaces": ADMIN,
  "POST /workspaces": ADMIN,
  "GET /workspaces/:id": OPEN,
  "PATCH /workspaces/:id": WORKSPACE,
  "DELETE /workspaces/:id": ADMIN,
  "GET /workspaces/:id/why": WORKSPACE,
  "GET /workspaces/:id/state": AGENT,
  "POST /workspaces/:id/restart": WORKSPACE,
  "POST /workspaces/:id/pause": WORKSPACE,
  "POST /workspaces/:id/resume": WORKSPACE,
  "POST /workspaces/:id/hibernate": WORKSPACE,
  "GET /workspaces/:id/console": ADMIN,
  "POST /admin/workspaces/:id/bootstrap-failed": ADMIN,
  "POST /registry/register": AGENT,
  "POST /registry/heartbeat": AGENT,
  "POST /registry/update-card": AGENT,
  "GET /registry/discover/:id": AGENT,
  "GET /registry/:id/peers": AGENT,
  "POST /registry/check-access": AGENT,
  "GET /workspaces/:id/secrets": WORKSPACE,
  "POST /workspaces/:id/secrets": WORKSPACE,
  "PUT /workspaces/:id/secrets": WORKSPACE,
  "GET /workspaces/:id/secrets/values": WORKSPACE,
  "DELETE /workspaces/:id/secrets/:key": WORKSPACE,
  "GET /workspaces/:id/model": WORKSPACE,
  "PUT /workspaces/:id/model": WORKSPACE,
  "GET /settings/secrets": ADMIN,
  "PUT /settings/secrets": ADMIN,
  "POST /settings/secrets": ADMIN,
  "DELETE /settings/secrets/:key": ADMIN,
  "GET /admin/secrets": ADMIN,
  "PUT /admin/secrets": ADMIN,
  "POST /admin/secrets": ADMIN,
  "DELETE /admin/secrets/:key": ADMIN,
  "GET /workspaces/:id/config": WORKSPACE,
  "PATCH /workspaces/:id/config": WORKSPACE,
  "GET /workspaces/:id/tokens": WORKSPACE,
  "POST /workspaces/:id/tokens": WORKSPACE,
  "DELETE /workspaces/:id/tokens/:tokenId": WORKSPACE,
  "GET /workspaces/:id/logs": WORKSPACE,
  "GET /workspaces/:id/builds": WORKSPACE,
  "GET /builds/:id": HIDDEN,
  "GET /builds/:id/logs": HIDDEN,
  "GET /workspaces/:id/operations": WORKSPACE,
  "GET /operations/:id": HIDDEN,
  "POST /operations/:id/cancel": HIDDEN,
  "GET /events": ADMIN,
  "GET /events/:id": ADMIN,
  "GET /workspaces/:id/events": WORKSPACE,
  "GET /events/stream": ADMIN,
  "GET /workspaces/:id/events/stream": WORKSPACE,
  "GET /images": ADMIN,
  "PUT /admin/images/:runtime/pin": ADMIN,
  "DELETE /admin/images/:runtime/pin": ADMIN,
  "POST /admin/workspace-images/refresh": ADMIN,
  "GET /admin/liveness": ADMIN,
  "POST /admin/orphans/sweep": ADMIN,
  "POST /admin/hosts/:hostId/retire": ADMIN,
};

/** Routes that let an agent in which never had a token: it gets its first one by registering. */
const FIRST_CONTACT = [
  "GET /workspaces/:id/state",
  "POST /registry/register",
  "POST /registry/heartbeat",
  "POST /registry/update-card",
  "GET /registry/discover/:id",
  "GET /registry/:id/peers",
  "POST /registry/check-access",
];

let running: AppServer;
beforeAll(async () => {
  // Each request says where it comes from, or the limit on bad tokens would stop them.
  running = await startAppServer({ env: { MOLECULE_TRUST_PROXY: "127.0.0.1" } });
});
afterAll(() => running[Symbol.asyncDispose]());

interface Scene {
  readonly workspaceId: string;
  readonly operationId: string;
  readonly buildId: string;
  readonly tokenOf: Readonly<Record<CallerName, string | undefined>>;
}

/** Workspaces of its own for every question, so that no answer changes the next. */
async function setScene(hasTokens = true): Promise<Scene> {
  const [own, other, operationId, buildId] = [1, 2, 3, 4].map(() => randomUUID()) as [
    string,
    string,
    string,
    string,
  ];
  const { db } = running.store;
  const common = { tier: 2, status: "online", runtime: "langgraph", createdBy: "admin" } as const;
  await db.insert(workspaces).values([
    // Only an agent that brings itself has no token yet.
    { id: own, name: "own", ...common, ...(hasTokens ? {} : { runtime: "external" }) },
    { id: other, name: "other", ...common },
  ]);
  await db.insert(operations).values({
    id: operationId,
    workspaceId: own,
    runtime: "langgraph",
    kind: "provision",
    state: "succeeded",
    requestedBy: "admin",
  });
  await db.insert(builds).values({
    id: buildId,
    operationId,
    workspaceId: own,
    runtime: "langgraph",
    state: "succeeded",
    finishedAt: new Date(),
  });
  const { tokens } = running.server.context;
  const issue = (workspaceId: string) =>
    db.transaction((tx) =>
      tokens.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" }),
    );
  const tokenOf: Record<CallerName, string | undefined> = {
    none: undefined,
    garbage: "A".repeat(43),
    revoked: undefined,
    other: (await issue(other)).token,
    own: undefined,
    admin: APP_ADMIN_TOKEN,
  };
  if (hasTokens) {
    tokenOf.own = (await issue(own)).token;
    const revoked = await issue(own);
    await tokens.verify(revoked.token);
    await db.transaction((tx) => tokens.revoke(tx, own, revoked.id));
    tokenOf.revoked = revoked.token;
  }
  return { workspaceId: own, operationId, buildId, tokenOf };
}

async function statusOf(route: string, caller: CallerName, scene: Scene): Promise<number> {
  const [method = "", pattern = ""] = route.split(" ");
  const { workspaceId, operationId, buildId } = scene;
  const id = pattern.startsWith("/operations/")
    ? operationId
    : pattern.startsWith("/builds/")
      ? buildId
      : workspaceId;
  const path = pattern
    .replace(":id", id)
    .replace(":key", "SOME_KEY")
    .replace(":runtime", "langgraph")
    .replace("*", "")
    .replace(/:\w+/, randomUUID());
  const token = scene.tokenOf[caller];
  const body = {
    ...(pattern === "/registry/check-access" ? { target_id: workspaceId } : { id: workspaceId }),
    workspace_id: workspaceId,
    url: "http://localhost:8000",
    agent_card: {},
  };
  const abort = new AbortController();
  // Whoever is refused hears it at once; a handler that waits for its operation has let the caller in.
  let isWaiting = false;
  const timer = setTimeout(() => {
    isWaiting = true;
    abort.abort();
  }, HANDLER_WAITS_MS);
  try {
    const response = await fetch(`${running.url}${path}`, {
      method,
      headers: {
        "x-workspace-id": workspaceId,
        "x-forwarded-for": `2001:db8:${(++requests).toString(16)}::1`,
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(method === "GET" || method === "DELETE" ? {} : { "content-type": "application/json" }),
      },
      ...(method === "GET" || method === "DELETE" ? {} : { body: JSON.stringify(body) }),
      signal: abort.signal,
    });
    return response.status;
  } catch (error) {
    if (isWaiting) return 202;
    throw error;
  } finally {
    clearTimeout(timer);
    // Streams would go on.
    abort.abort();
  }
}

const HANDLER_WAITS_MS = 4000;
let requests = 0;

const toVerdict = (status: number, expected: Verdict): number | "in" =>
  expected === "in" && status !== 401 && status !== 403 ? "in" : status;

const routeNames = (): string[] =>
  running.server.app.accessTable
    .filter(({ method }) => method !== "HEAD" && method !== "OPTIONS")
    .map(({ method, url }) => `${method} ${url}`);

it("has a row for every route, and no other", () => {
  expect([...new Set(routeNames())].sort()).toEqual(Object.keys(TABLE).sort());
});

it("lets a HEAD request in where the GET is let in", () => {
  const accessOf = (method: string) =>
    new Map(
      running.server.app.accessTable
        .filter((entry) => entry.method === method)
        .map(({ url, access }) => [url.replace(/(.)\/$/, "$1"), access]),
    );
  const [get, head] = [accessOf("GET"), accessOf("HEAD")];
  expect(head.size).toBeGreaterThan(20);
  expect([...head].filter(([url, access]) => get.get(url) !== access)).toEqual([]);
});

describe.each(Object.keys(TABLE))("%s", (route) => {
  const expected = TABLE[route] ?? OPEN;

  it("lets in whom the table says", async () => {
    const got = await Promise.all(
      CALLERS.map(async (caller) => {
        const status = await statusOf(route, caller, await setScene());
        return [caller, toVerdict(status, expected[caller])] as const;
      }),
    );
    expect(Object.fromEntries(got)).toEqual(expected);
  });

  it("lets no stranger speak for a workspace without tokens, unless it is how agents come", async () => {
    const isFirstContact = FIRST_CONTACT.includes(route);
    const status = (caller: CallerName) =>
      setScene(false).then((scene) => statusOf(route, caller, scene));
    const stranger = isFirstContact ? "in" : expected.none;
    expect(toVerdict(await status("none"), stranger)).toBe(stranger);
    expect(toVerdict(await status("garbage"), stranger)).toBe(stranger);
    expect(toVerdict(await status("other"), expected.other)).toBe(expected.other);
  });
});
