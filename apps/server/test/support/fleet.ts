import { expect } from "vitest";
import type { TestAnswer, TestServer } from "./test-server.js";

export type Json = Record<string, unknown>;

/** Creates a workspace and gives back its id. */
export async function create(server: TestServer, body: Json = {}): Promise<string> {
  const answer = await server.request("/workspaces", { body: { name: "agent", ...body } });
  expect(answer.status, JSON.stringify(answer.body)).toBe(201);
  return (answer.body as { id: string }).id;
}

/** Creates a workspace and waits until it is online. */
export async function createOnline(server: TestServer, body: Json = {}): Promise<string> {
  const id = await create(server, body);
  await untilStatus(server, id, "online");
  return id;
}

export async function statusOf(server: TestServer, id: string): Promise<unknown> {
  return bodyOf(await server.request(`/workspaces/${id}`))["status"];
}

export async function untilStatus(server: TestServer, id: string, status: string): Promise<void> {
  await expect.poll(() => statusOf(server, id), { timeout: 10_000, interval: 10 }).toBe(status);
}

/** A POST without a body. */
export function post(server: TestServer, path: string, body?: unknown): Promise<TestAnswer> {
  return server.request(path, { method: "POST", ...(body === undefined ? {} : { body }) });
}

export function bodyOf(answer: TestAnswer): Json {
  return answer.body as Json;
}

/** The events of a workspace, oldest first. */
export async function eventsOf(server: TestServer, id: string): Promise<Json[]> {
  const { rows } = (await server.context.store.db.execute(
    `select id, event_type, actor, request_id, payload from structure_events
     where workspace_id = '${id}' order by id`,
  )) as unknown as { rows: Json[] };
  return rows;
}
