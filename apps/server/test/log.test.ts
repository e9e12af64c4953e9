import { createRedactor } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import { randomBytes, randomUUID } from "node:crypto";
import { expect, it } from "vitest";
import { createLogger } from "../src/logger.js";
import { workspaces } from "../src/store/schema.js";
import { APP_ADMIN_TOKEN, startAppServer } from "./support/app-server.js";

/** Every way in: a secret of its own in each place of each request, so that a leak tells where from. */
function hostileRequest(method: string, pattern: string, workspaceId: string) {
  const sent: string[] = [];
  const secret = (place: string): string => {
    const text = `s3cret-${place}-${randomBytes(9).toString("hex")}`;
    sent.push(text);
    return text;
  };
  const path = pattern
    .replace(":id", workspaceId)
    .replace(":key", secret("key").toUpperCase().replaceAll("-", "_"))
    .replace(/:\w+|\*/, secret("path"));
  const hasBody = method !== "GET" && method !== "HEAD" && method !== "DELETE";
  const value = secret("body");
  return {
    sent,
    path: `${path}?token=${secret("query")}`,
    init: {
      method,
      headers: {
        cookie: `session=${secret("cookie")}`,
        "x-api-key": secret("header"),
        "x-request-id": secret("request-id"),
        "x-workspace-id": secret("workspace-id"),
        "user-agent": secret("user-agent"),
        "idempotency-key": secret("idempotency-key"),
        ...(hasBody ? { "content-type": "application/json" } : {}),
      },
      ...(hasBody
        ? {
            body: JSON.stringify(bodyOf(pattern, workspaceId, value)),
          }
        : {}),
    },
  };
}

/** A body the route takes, or one that it refuses because of the names in it. */
function bodyOf(pattern: string, workspaceId: string, value: string): unknown {
  if (pattern.endsWith("/secrets")) return { key: "SOME_KEY", value };
  if (pattern.endsWith("/model")) return { model: value };
  if (pattern === "/workspaces") return { name: value, secrets: { SOME_KEY: value } };
  if (pattern === "/workspaces/:id") return { name: value };
  return {
    id: workspaceId,
    workspace_id: workspaceId,
    url: "http://localhost:1/",
    agent_card: { value },
    sample_error: value,
    current_task: value,
    [value]: value,
  };
}

it("has no secret that a client sent anywhere, on any route, whatever came of it", async () => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "trace",
    // Knows no secret: what is masked here is masked by its place.
    redactor: createRedactor(),
    write: (line) => lines.push(line),
  });
  // Each request says where it comes from, or the limit on bad tokens would stop them.
  await using app = await startAppServer({ logger, env: { MOLECULE_TRUST_PROXY: "127.0.0.1" } });
  const id = randomUUID();
  await app.store.db.insert(workspaces).values({
    id,
    name: "w",
    tier: 2,
    status: "online",
    runtime: "langgraph",
    createdBy: "admin",
  });
  const { tokens } = app.server.context;
  const issued = await app.store.db.transaction((tx) =>
    tokens.issue(tx, { workspaceId: id, operationId: undefined, createdBy: "admin" }),
  );
  const guess = randomBytes(32).toString("base64url");
  const sent = [APP_ADMIN_TOKEN, issued.token, guess];
  const routes = app.server.app.accessTable.filter(({ method }) => method !== "HEAD");
  let asked = 0;
  const ask = async (method: string, pattern: string, token: string): Promise<void> => {
    const request = hostileRequest(method, pattern, id);
    sent.push(...request.sent);
    asked += 1;
    const headers = {
      ...request.init.headers,
      authorization: `Bearer ${token}`,
      "x-forwarded-for": `2001:db8:${asked.toString(16)}::1`,
    };
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), 1000);
    try {
      await fetch(`${app.url}${request.path}`, {
        ...request.init,
        headers,
        redirect: "manual",
        signal: abort.signal,
      });
    } catch (error) {
      if (!abort.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
      // Streams would go on.
      abort.abort();
    }
  };

  for (const token of [guess, issued.token, APP_ADMIN_TOKEN]) {
    for (const { method, url } of routes) {
      // What removes the workspace, or revokes its token, would end the test for the others.
      if (method === "DELETE" && !url.includes("secrets")) continue;
      await ask(method, url, token);
    }
    await ask("GET", "/nothing/:what", token);
  }
  for (const body of ['{"value": "s3cret-broken', '"s3cret-broken', "s3cret-broken"]) {
    await fetch(`${app.url}/workspaces`, {
      method: "POST",
      headers: { authorization: `Bearer ${APP_ADMIN_TOKEN}`, "content-type": "application/json" },
      body,
    });
  }
  // Now whatever writes fails inside, with queries and their parameters in the errors.
  await app.store.db.execute(sql`
    create function refuse() returns trigger as 'begin raise exception ''refused %'', new; end'
    language plpgsql`);
  for (const table of ["workspaces", "workspace_config", "workspace_secrets", "global_secrets"]) {
    await app.store.db.execute(sql`
      create trigger refuse before insert or update on ${sql.identifier(table)}
      for each row execute function refuse()`);
  }
  for (const { method, url } of routes) {
    if (method !== "GET" && method !== "DELETE") await ask(method, url, APP_ADMIN_TOKEN);
  }
  // And then everything does.
  await app.store[Symbol.asyncDispose]();
  for (const { method, url } of routes) await ask(method, url, APP_ADMIN_TOKEN);

  const requests = lines.filter((line) => line.includes('"msg":"request"'));
  expect(requests.length).toBeGreaterThan(asked * 0.9);
  // Guards the test itself: requests came as far as they should.
  const statuses = new Set(requests.map((line) => /"status":(\d+)/.exec(line)?.[1]));
  expect([...statuses]).toEqual(
    expect.arrayContaining(["200", "201", "400", "401", "403", "404", "500"]),
  );
  expect(lines.filter((line) => line.includes('"msg":"a request failed"')).length).toBeGreaterThan(
    20,
  );
  const log = lines.join("");
  for (const text of [...sent, "s3cret"]) {
    for (const form of [text, text.toUpperCase().replaceAll("-", "_"), encodeURIComponent(text)]) {
      const at = log.indexOf(form);
      expect(at === -1 ? "" : log.slice(Math.max(0, at - 300), at + 300)).toBe("");
    }
  }
  expect(log).not.toContain("?");
}, 180_000);

it("tells of a request its route, workspace, status, caller and id, in one line", async () => {
  const lines: string[] = [];
  const logger = createLogger({
    level: "info",
    redactor: createRedactor(),
    write: (line) => lines.push(line),
  });
  await using app = await startAppServer({ logger });
  const [id, requestId] = [randomUUID(), randomUUID()];
  lines.length = 0;
  await fetch(`${app.url}/workspaces/${id}/tokens?x=y`, {
    headers: { authorization: `Bearer ${APP_ADMIN_TOKEN}`, "x-request-id": requestId },
  });
  await expect.poll(() => lines.length).toBe(1);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    msg: "request",
    method: "GET",
    route: "/workspaces/:id/tokens",
    workspaceId: id,
    status: 404,
    caller: "admin",
    requestId,
    address: "127.0.0.1",
  });
});
