import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { recordEvents } from "../src/store/events.js";
import { events, workspaces } from "../src/store/schema.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

let server: TestServer;
const leaving: AbortController[] = [];

beforeAll(async () => {
  server = await startTestServer({ loops: "elsewhere" });
});
afterEach(() => {
  for (const controller of leaving.splice(0)) controller.abort();
});
afterAll(async () => {
  await server[Symbol.asyncDispose]();
});

interface Heard {
  readonly id: string;
  readonly event: string;
  readonly data: { readonly [name: string]: unknown };
}

/** A client of an event stream, connected once the server said so. */
async function listen(
  path: string,
  options: { token?: string | null; headers?: Record<string, string> } = {},
): Promise<{ status: number; next(count: number): Promise<Heard[]>; ended: Promise<void> }> {
  const leave = new AbortController();
  leaving.push(leave);
  const response = await server.fetch(path, { ...options, signal: leave.signal });
  const heard: Heard[] = [];
  let wake = (): void => undefined;
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    let text = "";
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk as Uint8Array, { stream: true });
      const frames = text.split("\n\n");
      text = frames.pop() ?? "";
      for (const frame of frames) {
        const fields = new Map(
          frame.split("\n").map((line) => {
            const colon = line.indexOf(": ");
            return [line.slice(0, colon), line.slice(colon + 2)] as const;
          }),
        );
        const data = fields.get("data");
        if (data === undefined) continue;
        heard.push({
          id: fields.get("id") ?? "",
          event: fields.get("event") ?? "",
          data: JSON.parse(data) as Heard["data"],
        });
      }
      wake();
    }
  };
  let isOver = false;
  const ended = read()
    .catch(() => undefined)
    .then(() => {
      isOver = true;
      wake();
    });
  let taken = 0;
  return {
    status: response.status,
    ended,
    async next(count) {
      while (heard.length < taken + count && !isOver) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      const result = heard.slice(taken, taken + count);
      taken += result.length;
      return result;
    },
  };
}

async function record(count: number, options: { workspaceId?: string; text?: string } = {}) {
  await server.context.store.db.transaction((tx) =>
    recordEvents(
      tx,
      Array.from({ length: count }, (_, n) => ({
        type: "WORKSPACE_UPDATED" as const,
        workspaceId: options.workspaceId,
        actor: "system:test",
        payload: { n, text: options.text ?? "" },
      })),
    ),
  );
}

async function insertWorkspace(): Promise<string> {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
    id,
    name: "agent",
    tier: 2,
    // No loop looks after it.
    status: "paused",
    runtime: "langgraph",
    hostId: server.host.host.id,
    createdBy: "admin",
  });
  return id;
}

async function issueToken(workspaceId: string): Promise<string> {
  const { store, tokens } = server.context;
  const { token } = await store.db.transaction((tx) =>
    tokens.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" }),
  );
  return token;
}

async function allIds(): Promise<string[]> {
  const rows = await server.context.store.db
    .select({ id: events.id })
    .from(events)
    .orderBy(events.id);
  return rows.map(({ id }) => String(id));
}

describe("streams of events", () => {
  it("tells an administrator of everything, as it happens", async () => {
    const stream = await listen("/events/stream");
    expect(stream.status).toBe(200);
    const workspaceId = randomUUID();
    await record(2, { workspaceId, text: "line\nbreak\r" });
    const [first] = await stream.next(2);
    expect(first).toMatchObject({
      event: "WORKSPACE_UPDATED",
      data: { workspace_id: workspaceId, actor: "system:test", payload: { n: 0 } },
    });
    expect(first?.id).toBe(String(first?.data["id"]));
  });

  it("is resumed by every client exactly after what it got, while events keep coming", async () => {
    const before = (await allIds()).length;
    let isWriting = true;
    const writing = (async () => {
      for (let n = 0; n < 60; n += 1) {
        await record(1 + (n % 7));
        await sleep(n % 4);
      }
      isWriting = false;
      // For those who ask for some just now.
      await record(20);
    })();
    const clients = fc
      .sample(fc.array(fc.integer({ min: 1, max: 15 }), { minLength: 3, maxLength: 12 }), 8)
      .map(async (pieces, n) => {
        const heard: string[] = [];
        const resume = (): Promise<Awaited<ReturnType<typeof listen>>> => {
          const last = heard.at(-1) ?? "0";
          return n % 2 === 0
            ? listen("/events/stream", { headers: { "last-event-id": last } })
            : listen(`/events/stream?last_event_id=${last}`);
        };
        for (const count of pieces) {
          const stream = await resume();
          const known = isWriting ? count : 0;
          heard.push(...(await stream.next(known)).map(({ id }) => id));
        }
        await writing;
        const all = await allIds();
        const rest = await resume();
        heard.push(...(await rest.next(all.length - heard.length)).map(({ id }) => id));
        expect(heard).toEqual(all);
      });
    await Promise.all(clients);
    await writing;
    expect((await allIds()).length - before).toBeGreaterThan(200);
  });

  it("tells a workspace only of itself", async () => {
    const id = await insertWorkspace();
    const token = await issueToken(id);
    expect((await listen("/events/stream", { token })).status).toBe(403);
    expect((await listen(`/workspaces/${randomUUID()}/events/stream`, { token })).status).toBe(403);
    const stream = await listen(`/workspaces/${id}/events/stream`, { token });
    await record(3, { workspaceId: randomUUID() });
    await record(1, { workspaceId: id });
    expect((await stream.next(1))[0]?.data).toMatchObject({ workspace_id: id });
  });

  it("ends when its token is revoked, and leaves the others open", async () => {
    const id = await insertWorkspace();
    const [first, second] = [await issueToken(id), await issueToken(id)];
    const { store, tokens } = server.context;
    const path = `/workspaces/${id}/events/stream`;
    const doomed = await listen(path, { token: first });
    const kept = await listen(path, { token: second });
    const admin = await listen(path);
    const [row] = await tokens.list(id);
    await store.db.transaction((tx) => tokens.revoke(tx, id, row?.id ?? ""));
    await doomed.ended;
    await record(1, { workspaceId: id });
    expect(await kept.next(1)).toHaveLength(1);
    expect(await admin.next(1)).toHaveLength(1);
  });

  it("drops a client that does not read while a hundred others get everything", async () => {
    const id = await insertWorkspace();
    const stuck = await connectSilently("/events/stream");
    const closed = once(stuck, "close");
    const fast = await listen("/events/stream");
    const others = await Promise.all(
      Array.from({ length: 100 }, () => listen(`/workspaces/${id}/events/stream`)),
    );
    // More than what sockets and buffers hold for one that does not read.
    for (let n = 0; n < 30; n += 1) {
      await record(50, { text: "x".repeat(20_000) });
      await record(2, { workspaceId: id });
      expect(await fast.next(52)).toHaveLength(52);
    }
    for (const other of others) expect(await other.next(60)).toHaveLength(60);
    let received = "";
    stuck.on("data", (chunk) => (received = (received + String(chunk)).slice(-100)));
    stuck.resume();
    await closed;
    // Cut off in the middle: a complete answer ends with an empty chunk.
    expect(received.endsWith("0\r\n\r\n")).toBe(false);
  }, 60_000);

  it("ends when the server stops, at once", async () => {
    const other = await startTestServer({ store: server.context.store });
    const [first] = await Promise.all(
      Array.from({ length: 20 }, () => other.fetch("/events/stream")),
    );
    const stuck = await connectSilently("/events/stream", other);
    const stopped = other[Symbol.asyncDispose]();
    await Promise.race([
      stopped,
      sleep(2000).then(() => Promise.reject(new Error("The server did not stop in time."))),
    ]);
    // A whole answer, not a broken one.
    expect(await first?.text()).toContain("retry: ");
    stuck.destroy();
  });

  it("lets a workspace open so many streams and no more, until it closes one", async () => {
    const id = await insertWorkspace();
    const token = await issueToken(id);
    const path = `/workspaces/${id}/events/stream`;
    for (let n = 0; n < 16; n += 1) expect((await listen(path, { token })).status).toBe(200);
    const refused = await server.request(path, { token });
    expect(refused).toMatchObject({ status: 429, body: { code: "ERR_RATE_LIMITED" } });
    expect((await listen(path)).status).toBe(200);
    leaving[0]?.abort();
    await expect
      .poll(async () => {
        const leave = new AbortController();
        leaving.push(leave);
        return (await server.fetch(path, { token, signal: leave.signal })).status;
      })
      .toBe(200);
  });

  it.each(["abc", "-1", "1e3", "99999999999999999999"])(
    "refuses %s as the id to resume after",
    async (id) => {
      const query = await server.request(`/events/stream?last_event_id=${id}x`);
      expect(query).toMatchObject({ status: 400, body: { code: "ERR_REQUEST_INVALID" } });
      const header = await server.request("/events/stream", { headers: { "last-event-id": id } });
      expect(header.status).toBe(400);
    },
  );
});

/** A connection that asks for a stream and reads nothing but its beginning. */
async function connectSilently(path: string, to = server): Promise<Socket> {
  const socket = connect(Number(new URL(to.url).port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${to.adminToken}\r\n\r\n`);
  await once(socket, "data");
  socket.pause();
  return socket;
}
