import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { notify } from "../src/store/notifications.js";
import { buildLogs, builds, operations, serverInstances, workspaces } from "../src/store/schema.js";
import {
  entriesAfter,
  formatLogPlace,
  parseLogPlace,
  readLogEntries,
  type LogEntry,
} from "../src/streams/log-entries.js";
import { createMemoryHost } from "./support/memory-host.js";
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

/** A workspace that runs on the server's own host, unless another is named. */
async function insertWorkspace(at: { hostId?: string | null; runtime?: string } = {}) {
  const id = randomUUID();
  await server.context.store.db.insert(workspaces).values({
    id,
    name: "agent",
    tier: 2,
    // No loop looks after it.
    status: "paused",
    runtime: at.runtime ?? "langgraph",
    hostId: at.hostId === undefined ? server.host.host.id : at.hostId,
    createdBy: "admin",
  });
  return id;
}

async function startAgent(): Promise<string> {
  const id = await insertWorkspace();
  await server.host.host.provisioner.up({
    id,
    name: "agent",
    runtime: "langgraph",
    tier: 2,
    configFiles: { "config.yaml": Buffer.from("name: agent\n") },
  });
  return id;
}

async function insertBuild(lines: number, state: "running" | "succeeded" = "succeeded") {
  const { db } = server.context.store;
  const [id, workspaceId] = [randomUUID(), await insertWorkspace()];
  await db.insert(builds).values({
    id,
    operationId: randomUUID(),
    workspaceId,
    runtime: "langgraph",
    state,
  });
  if (lines > 0) await addLines(id, 1, lines);
  return { id, workspaceId };
}

async function addLines(buildId: string, from: number, count: number): Promise<void> {
  await server.context.store.db.transaction(async (tx) => {
    await tx.insert(buildLogs).values(
      Array.from({ length: count }, (_, n) => ({
        buildId,
        seq: from + n,
        at: new Date(),
        stream: "stdout" as const,
        line: `line ${from + n}`,
      })),
    );
    await notify(tx, "molecule_build_logs", buildId);
  });
}

async function issueToken(workspaceId: string): Promise<string> {
  const { store, tokens } = server.context;
  const { token } = await store.db.transaction((tx) =>
    tokens.issue(tx, { workspaceId, operationId: undefined, createdBy: "admin" }),
  );
  return token;
}

/** Text of a stream until it has `marker`, or all of it. */
async function readUntil(response: Response, marker?: string): Promise<string> {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) {
    text += decoder.decode(chunk as Uint8Array, { stream: true });
    if (marker !== undefined && text.includes(marker)) break;
  }
  return text;
}

function follow(path: string, headers: Record<string, string> = {}, from = server) {
  const leave = new AbortController();
  leaving.push(leave);
  return from.fetch(path, { headers, signal: leave.signal });
}

const events = { accept: "text/event-stream" };

describe("output of an agent", () => {
  it("is plain text, without terminal sequences and known secrets, the last lines first asked for", async () => {
    const id = await startAgent();
    server.context.redactor.add("a-known-secret");
    server.host.write(id, "one");
    server.host.write(id, "\u001b[31mtwo\u001b[0m \u0007a-known-secret\u0000");
    server.host.write(id, "three");
    const all = await server.fetch(`/workspaces/${id}/logs`);
    expect(all.headers.get("content-type")).toBe("text/plain; charset=utf-8");
    expect(await all.text()).toBe("one\ntwo ***\nthree\n");
    const tail = await server.request(`/workspaces/${id}/logs?tail=1`);
    expect(tail.body).toBe("three\n");
  });

  it("is followed as it is written until the process ends", async () => {
    const id = await startAgent();
    const response = await follow(`/workspaces/${id}/logs?follow=true`);
    server.host.write(id, "first");
    server.host.write(id, "second");
    const text = readUntil(response);
    server.host.exit(id, 0);
    expect(await text).toBe("first\nsecond\n");
  });

  it("comes as events, which end with one that says so", async () => {
    const id = await startAgent();
    server.host.write(id, "line\rwith\u2028breaks");
    const text = await readUntil(await follow(`/workspaces/${id}/logs`, events));
    const frames = text.split("\n\n").filter((frame) => frame !== "");
    expect(frames).toHaveLength(3);
    expect(frames[1]).toContain("event: log\ndata: ");
    expect(frames[2]).toContain("event: end\ndata: {}");
  });

  it("is only for the workspace itself and the administrator", async () => {
    const [id, other] = [await startAgent(), await insertWorkspace()];
    const path = `/workspaces/${id}/logs`;
    expect((await server.request(path, { token: null })).status).toBe(401);
    expect((await server.request(path, { token: await issueToken(other) })).status).toBe(403);
    expect((await server.request(path, { token: await issueToken(id) })).status).toBe(200);
  });

  it.each([
    ["is not there", () => Promise.resolve(randomUUID()), 404],
    ["was not started yet", () => insertWorkspace({ hostId: null }), 404],
    ["has no container", () => insertWorkspace(), 404],
    ["runs somewhere else", () => insertWorkspace({ runtime: "external" }), 409],
    ["lives on an engine that no server has", () => insertWorkspace({ hostId: "gone" }), 503],
  ])("is refused for a workspace that %s", async (_, find, status) => {
    const answer = await server.request(`/workspaces/${await find()}/logs`);
    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ error: expect.any(String), code: expect.any(String) });
  });

  it.each(["tail=-1", "tail=x", "since=yesterday", "follow=1", "last_event_id=x", "other=1"])(
    "is refused with %s",
    async (query) => {
      const answer = await server.request(`/workspaces/${randomUUID()}/logs?${query}`);
      expect(answer).toMatchObject({ status: 400, body: { code: "ERR_REQUEST_INVALID" } });
    },
  );

  it("is fetched from the server that has the engine, with the caller's own token", async () => {
    const other = createMemoryHost({ hostId: "other-engine" });
    await using peer = await startTestServer({ store: server.context.store, host: other });
    await server.context.store.db
      .insert(serverInstances)
      .values({ id: randomUUID(), hostId: "other-engine", url: peer.url });
    const id = await insertWorkspace({ hostId: "other-engine" });
    await other.host.provisioner.up({
      id,
      name: "agent",
      runtime: "langgraph",
      tier: 2,
      configFiles: { "config.yaml": Buffer.from("name: agent\n") },
    });
    other.write(id, "from afar");
    const text = await server.request(`/workspaces/${id}/logs?tail=5`);
    expect(text).toMatchObject({ status: 200, body: "from afar\n" });
    const stream = await follow(`/workspaces/${id}/logs?follow=true`, events);
    expect(stream.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
    expect(await readUntil(stream, "from afar")).toContain("event: log");
    other.vanish(id);
    expect((await server.request(`/workspaces/${id}/logs`)).status).toBe(404);
  });

  it("is not sent in circles when no server has the engine", async () => {
    const id = await insertWorkspace({ hostId: "mirage" });
    await server.context.store.db
      .insert(serverInstances)
      .values({ id: randomUUID(), hostId: "mirage", url: server.url });
    const answer = await server.request(`/workspaces/${id}/logs`);
    expect(answer).toMatchObject({ status: 503, body: { code: "ERR_HOST_UNREACHABLE" } });
  });
});

describe("output of a build", () => {
  it("comes in pages", async () => {
    const { id } = await insertBuild(5);
    const first = await server.request(`/builds/${id}/logs?limit=2`);
    expect(first.body).toMatchObject({
      build_id: id,
      state: "succeeded",
      lines: [{ seq: 1, line: "line 1" }, { seq: 2 }],
      next_after: 2,
    });
    const rest = await server.request(`/builds/${id}/logs?after=2`);
    expect(rest.body).toMatchObject({ lines: [{ seq: 3 }, { seq: 4 }, { seq: 5 }], next_after: 5 });
    const none = await server.request(`/builds/${id}/logs?after=2147483647`);
    expect(none).toMatchObject({ status: 200, body: { lines: [], next_after: 2_147_483_647 } });
  });

  it("is followed from any line to the end of the build, without gap or duplicate", async () => {
    const { id } = await insertBuild(3, "running");
    const { db } = server.context.store;
    const whole = readUntil(await follow(`/builds/${id}/logs?follow=true`));
    const resumed = readUntil(
      await follow(`/builds/${id}/logs?follow=true`, { "last-event-id": "2" }),
    );
    await addLines(id, 4, 700);
    await addLines(id, 704, 1);
    await db.transaction(async (tx) => {
      await tx.update(builds).set({ state: "failed", finishedAt: new Date() });
      await notify(tx, "molecule_build_logs", id);
    });
    const ids = (text: string): string[] =>
      [...text.matchAll(/^id: (\d+)\nevent: log$/gm)].map(([, seq]) => seq ?? "");
    const expected = Array.from({ length: 704 }, (_, n) => String(n + 1));
    expect(ids(await whole)).toEqual(expected);
    expect(ids(await resumed)).toEqual(expected.slice(2));
    expect(await whole).toMatch(/event: end\ndata: \{"state":"failed"\}\n\n$/);
  });

  it("is shown to its own workspace, and does not exist for others", async () => {
    const { id, workspaceId } = await insertBuild(1);
    const [own, other] = [await issueToken(workspaceId), await issueToken(await insertWorkspace())];
    for (const path of [`/builds/${id}`, `/builds/${id}/logs`]) {
      expect((await server.request(path, { token: null })).status).toBe(401);
      expect((await server.request(path, { token: other })).status).toBe(404);
      expect((await server.request(path, { token: own })).status).toBe(200);
    }
    const list = await server.request(`/workspaces/${workspaceId}/builds`, { token: own });
    expect(list.body).toMatchObject({ builds: [{ id, image: null }], next: null });
  });
});

describe("operations", () => {
  async function insertOperations(count: number): Promise<{ workspaceId: string; ids: string[] }> {
    const workspaceId = await insertWorkspace();
    const ids = Array.from({ length: count }, () => randomUUID());
    await server.context.store.db.insert(operations).values(
      ids.map((id, n) => ({
        id,
        workspaceId,
        runtime: "langgraph",
        kind: "restart" as const,
        state: "succeeded" as const,
        requestedBy: "admin",
        createdAt: new Date(1_700_000_000_000 + Math.floor(n / 2)),
      })),
    );
    return { workspaceId, ids };
  }

  it("are listed page by page, each once", async () => {
    const { workspaceId, ids } = await insertOperations(7);
    const seen: string[] = [];
    let next: string | null = "";
    while (next !== null) {
      const before: string = next === "" ? "" : `&before=${next}`;
      const { body } = await server.request(
        `/workspaces/${workspaceId}/operations?limit=3${before}`,
      );
      const page = body as { operations: { id: string }[]; next: string | null };
      seen.push(...page.operations.map(({ id }) => id));
      next = page.next;
    }
    expect(seen).toHaveLength(7);
    expect([...seen].sort()).toEqual([...ids].sort());
    const failed = await server.request(`/workspaces/${workspaceId}/operations?state=failed`);
    expect(failed.body).toEqual({ operations: [], next: null });
  });

  it("are shown to their own workspace, and do not exist for others", async () => {
    const { workspaceId, ids } = await insertOperations(1);
    const path = `/operations/${ids[0]}`;
    const other = await issueToken(await insertWorkspace());
    expect((await server.request(path, { token: null })).status).toBe(401);
    expect((await server.request(path, { token: other })).status).toBe(404);
    const own = await server.request(path, { token: await issueToken(workspaceId) });
    expect(own).toMatchObject({ status: 200, body: { workspace_id: workspaceId, position: null } });
    const cancel = await server.request(`${path}/cancel`, { method: "POST", token: other });
    expect(cancel.status).toBe(404);
    const late = await server.request(`${path}/cancel`, { method: "POST" });
    expect(late).toMatchObject({ status: 409, body: { code: "ERR_CONFLICT" } });
  });
});

describe("places in a log", () => {
  const moment = fc
    .tuple(fc.integer({ min: 0, max: 3 }), fc.integer({ min: 0, max: 2 }))
    .map(([second, nano]) => `2026-01-01T00:00:0${second}.${String(nano).padStart(9, "0")}Z`);

  async function* outputOf(lines: readonly string[], cuts: readonly number[]) {
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(""));
    let from = 0;
    for (const cut of [...cuts, bytes.length]) {
      const to = Math.min(from + cut, bytes.length);
      yield { stream: "stdout" as const, bytes: bytes.subarray(from, to) };
      from = to;
    }
  }

  async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
    const all: T[] = [];
    for await (const one of source) all.push(one);
    return all;
  }

  it("tell every line apart, however the output is cut, and resume right after", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(moment, fc.string({ maxLength: 5 })), { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 10 }),
        async (lines, cuts) => {
          const written = [...lines]
            .sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
            .map(([at, text]) => `${at} ${text}`);
          const entries = await collect(readLogEntries(outputOf(written, cuts)));
          expect(entries.map(({ at }) => at)).toEqual(written.map((line) => line.slice(0, 30)));
          const places = entries.map(formatLogPlace);
          expect(new Set(places).size).toBe(entries.length);
          for (const [n, text] of places.entries()) {
            const place = parseLogPlace(text);
            expect(place).toMatchObject({ at: entries[n]?.at, nth: entries[n]?.nth });
            if (place === undefined) continue;
            const again = readLogEntries(outputOf(written, cuts));
            expect(await collect(entriesAfter(again, place))).toEqual(entries.slice(n + 1));
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it("resumes with what is later when the line itself is gone", async () => {
    const entry = (at: string): LogEntry => ({ at, nth: 0, stream: "stdout", line: at });
    async function* log() {
      yield entry("2026-01-01T00:00:01.000000000Z");
      yield entry("2026-01-01T00:00:03.000000000Z");
    }
    const after = entriesAfter(log(), { at: "2026-01-01T00:00:02.000000000Z", nth: 0 });
    expect((await collect(after)).map(({ line }) => line)).toEqual([
      "2026-01-01T00:00:03.000000000Z",
    ]);
  });

  it("are nothing else", () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        const place = parseLogPlace(text);
        if (place !== undefined) expect(Number.isNaN(Date.parse(place.at))).toBe(false);
      }),
    );
    expect(parseLogPlace("")).toBeUndefined();
    expect(parseLogPlace("yesterday")).toBeUndefined();
    expect(parseLogPlace("2026-01-01T00:00:00Z~x")).toBeUndefined();
  });

  it("cuts a line that has no end", async () => {
    async function* endless() {
      for (let n = 0; n < 100; n += 1) {
        yield { stream: "stdout" as const, bytes: Buffer.alloc(1000, "x") };
      }
    }
    const [entry] = await collect(readLogEntries(endless()));
    expect(entry?.line).toHaveLength(16 * 1024);
  });
});
