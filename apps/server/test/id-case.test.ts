import { afterAll, beforeAll, expect, it } from "vitest";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
beforeAll(async () => {
  server = await startTestServer();
});
afterAll(() => server[Symbol.asyncDispose]());

interface External {
  readonly id: string;
  readonly token: string;
}

async function createExternal(): Promise<External> {
  const { body } = await server.request("/workspaces", { body: { name: "w", external: true } });
  const { id, connection } = body as { id: string; connection: { auth_token: string } };
  return { id, token: connection.auth_token };
}

it("refuses a token at once that was revoked under an id in capital letters", async () => {
  const { id, token } = await createExternal();
  const { body } = await server.request(`/workspaces/${id}/tokens`, { token });
  const [{ id: tokenId } = { id: "" }] = (body as { tokens: { id: string }[] }).tokens;
  const path = `/workspaces/${id.toUpperCase()}/tokens/${tokenId}`;
  expect((await server.request(path, { method: "DELETE" })).status).toBe(200);
  expect((await server.request(`/workspaces/${id}/tokens`, { token })).status).toBe(401);
});

it("makes no workspace its own parent, however its id is written", async () => {
  const { id } = await createExternal();
  for (const [path, parent] of [
    [id, id.toUpperCase()],
    [id.toUpperCase(), id],
    [id.toUpperCase(), id.toUpperCase()],
  ] as const) {
    const answer = await server.request(`/workspaces/${path}`, {
      method: "PATCH",
      body: { parent_id: parent },
    });
    expect(answer.status).toBe(400);
  }
});
