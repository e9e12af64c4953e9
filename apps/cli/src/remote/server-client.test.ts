import { systemClock } from "@molecule-ai/core";
import { createServer as createTcpServer } from "node:net";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { sendJson, startFakeServer, type FakeServer } from "../../test/support/fake-server.js";
import { exitCodeOf } from "../exit-codes.js";
import { parseServerAddress } from "./server-address.js";
import { createServerClient, type ServerCall } from "./server-client.js";

const answer = z.object({ status: z.literal("ok") });
const never = new AbortController().signal;

function clientOf(server: Pick<FakeServer, "url">, path = "") {
  return createServerClient({
    address: parseServerAddress("--server", server.url + path),
    token: "token-of-the-test",
    clock: systemClock,
  });
}

const health: ServerCall<{ status: "ok" }> = {
  method: "GET",
  path: "/health",
  answer,
  signal: never,
};

const withCode = (code: string) => expect.objectContaining({ code });

describe("a call of a server", () => {
  it("carries the token and gives what the answer was to be, without the rest", async () => {
    await using server = await startFakeServer((_, response) =>
      sendJson(response, 200, { status: "ok", more: 1 }),
    );
    await using client = clientOf(server, "/base/");
    expect(await client.call({ ...health, query: { a: "1" } })).toEqual({ status: "ok" });
    expect(server.seen[0]).toMatchObject({ method: "GET", path: "/base/health" });
    expect(server.seen[0]?.query.get("a")).toBe("1");
    expect(server.seen[0]?.headers.authorization).toBe("Bearer token-of-the-test");
  });

  it.each([
    [
      404,
      { error: "no such workspace", code: "ERR_NOT_FOUND", hint: "look", details: { id: "x" } },
      { code: "ERR_NOT_FOUND", message: "no such workspace", hint: "look" },
      4,
    ],
    [403, { error: "tier 3", code: "ERR_TIER_NOT_ALLOWED" }, { code: "ERR_TIER_NOT_ALLOWED" }, 3],
    [404, { error: "of the older platform" }, { code: "ERR_NOT_FOUND" }, 4],
    [500, { error: "of the older platform" }, { code: "ERR_CLI_SERVER_ANSWER" }, 1],
    [400, { error: "x", code: "not a code" }, { code: "ERR_REQUEST_INVALID" }, 2],
    [503, { error: "x", code: "platform_unavailable" }, { code: "ERR_STORE_UNAVAILABLE" }, 1],
    [
      409,
      { error: "x", code: "ERR_CONFLICT", children_count: 1 },
      { details: { children_count: 1 } },
      1,
    ],
    [401, { error: "who?", code: "ERR_UNAUTHENTICATED", hint: "y" }, { hint: /login --server/ }, 1],
    [502, "<html>", { code: "ERR_CLI_SERVER_ANSWER" }, 1],
  ])("refused with %i %j is told by the server's code", async (status, body, error, exitCode) => {
    await using server = await startFakeServer((_, response) => {
      if (typeof body === "string") response.writeHead(status).end(body);
      else sendJson(response, status, body);
    });
    await using client = clientOf(server);
    const thrown: unknown = await client.call(health).catch((reason: unknown) => reason);
    const { hint, ...rest } = error as { hint?: string | RegExp };
    expect(thrown).toMatchObject(rest);
    if (hint !== undefined) expect((thrown as { hint?: string }).hint).toMatch(hint);
    expect(exitCodeOf(thrown)).toBe(exitCode);
  });

  it("does not follow a redirect, and shows no more of its target than the origin", async () => {
    await using other = await startFakeServer((_, response) => sendJson(response, 200, {}));
    await using server = await startFakeServer((_, response) =>
      response.writeHead(307, { location: `${other.url}/secret-path?x=hunter2` }).end(),
    );
    await using client = clientOf(server);
    const thrown: unknown = await client.call(health).catch((reason: unknown) => reason);
    expect(thrown).toEqual(withCode("ERR_CLI_SERVER_REDIRECT"));
    expect(String(thrown)).toContain(other.url);
    expect(JSON.stringify(thrown)).not.toContain("hunter2");
    expect(other.seen).toEqual([]);
  });

  it.each(["", "nonsense", "[]", '{"status":"bad"}', '{"status":"ok"', "\u0000\u00ff"])(
    "refuses the answer %j",
    async (text) => {
      await using server = await startFakeServer((_, response) => response.end(text));
      await using client = clientOf(server);
      await expect(client.call(health)).rejects.toEqual(withCode("ERR_CLI_SERVER_ANSWER"));
    },
  );

  it("stops reading an answer without end", async () => {
    await using server = await startFakeServer((_, response) => {
      const piece = "x".repeat(1024 * 1024);
      const write = (): void => {
        while (!response.destroyed && response.write(piece));
        response.once("drain", write);
      };
      write();
    });
    await using client = clientOf(server);
    await expect(client.call(health)).rejects.toEqual(withCode("ERR_CLI_SERVER_ANSWER"));
  });

  it("repeats a question whose answer broke off, and never a command that may have been heard", async () => {
    let answers = 0;
    await using server = await startFakeServer((_, response) => {
      answers += 1;
      if (answers % 2 === 1) response.destroy();
      else sendJson(response, 200, { status: "ok" });
    });
    await using client = clientOf(server);
    await client.call(health);
    expect(server.seen).toHaveLength(2);
    await expect(client.call({ ...health, method: "POST" })).rejects.toEqual(
      withCode("ERR_CLI_SERVER_LOST"),
    );
    expect(server.seen).toHaveLength(3);
    answers = 0;
    await client.call({ ...health, method: "POST", idempotencyKey: "k" });
    const keys = server.seen.slice(3).map(({ headers }) => headers["idempotency-key"]);
    expect(keys).toEqual(["k", "k"]);
  });

  it("says that nobody answers there", async () => {
    const closed = createTcpServer().listen(0, "127.0.0.1");
    await once(closed, "listening");
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await using client = clientOf({ url: `http://127.0.0.1:${port}` });
    await expect(client.call(health)).rejects.toEqual(withCode("ERR_CLI_SERVER_UNREACHABLE"));
  });

  it("gives up after its time, and at once on abort", async () => {
    await using server = await startFakeServer(() => undefined);
    await using client = clientOf(server);
    await expect(client.call({ ...health, timeoutMs: 50 })).rejects.toEqual(
      withCode("ERR_CLI_SERVER_TIMEOUT"),
    );
    const controller = new AbortController();
    const reason = new Error("enough");
    const called = client.call({ ...health, signal: controller.signal });
    controller.abort(reason);
    await expect(called).rejects.toBe(reason);
  });
});
