import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, expect, it, vi } from "vitest";
import { openLoopFixture, type LoopFixture } from "../../test/support/loop-fixture.js";
import { createMemoryHost, type MemoryHost } from "../../test/support/memory-host.js";
import type { ServerContext } from "../server-context.js";
import { LOOPS } from "./cadence.js";
import { isStale, listLoops } from "./list-loops.js";
import { startLoops } from "./start-loops.js";

let fixture: LoopFixture;
beforeAll(async () => {
  fixture = await openLoopFixture();
});
afterEach(() => fixture.clear());
afterAll(() => fixture[Symbol.asyncDispose]());

function contextOf(host: ServerContext["host"]): ServerContext {
  return { ...fixture.context(), host } as ServerContext;
}

async function namesThatSucceeded(): Promise<Set<string>> {
  const loops = await listLoops(fixture.store.db);
  return new Set(loops.filter((loop) => loop.last_succeeded_at !== null).map(({ name }) => name));
}

const ofHost = (hostId: string): string[] =>
  Object.entries(LOOPS).map(([name, { perHost }]) => (perHost ? `${name}@${hostId}` : name));

it("runs every loop there is, and gives all leads away at the end", async () => {
  const host: MemoryHost = createMemoryHost({ hostId: "one" });
  const loops = await startLoops(contextOf(host));
  try {
    await vi.waitFor(
      async () => expect(await namesThatSucceeded()).toEqual(new Set(ofHost("one"))),
      15_000,
    );
    for (const loop of await listLoops(fixture.store.db)) {
      expect(loop).toMatchObject({ failures: 0, last_error: null, stale: false });
      expect(loop.leader).not.toBeNull();
    }
  } finally {
    await loops[Symbol.asyncDispose]();
  }
  for (const { leader } of await listLoops(fixture.store.db)) expect(leader).toBeNull();
});

it("does without an engine what needs none, and the rest once there is one", async () => {
  const host = createMemoryHost({ hostId: "late" });
  let arrive = (): void => undefined;
  const arrived = new Promise<void>((resolve) => (arrive = resolve));
  const link: ServerContext["host"] = {
    ...host,
    async connected({ signal }) {
      await Promise.race([
        arrived,
        new Promise((_, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason as Error)),
        ),
      ]);
      return host.host;
    },
  };
  const global = Object.entries(LOOPS).filter(([, { perHost }]) => !perHost);
  const loops = await startLoops(contextOf(link));
  try {
    await vi.waitFor(
      async () => expect(await namesThatSucceeded()).toEqual(new Set(global.map(([name]) => name))),
      15_000,
    );
    arrive();
    await vi.waitFor(
      async () => expect(await namesThatSucceeded()).toEqual(new Set(ofHost("late"))),
      15_000,
    );
  } finally {
    await loops[Symbol.asyncDispose]();
  }
});

it("stops although no engine ever came", async () => {
  const host = createMemoryHost();
  const link: ServerContext["host"] = {
    ...host,
    connected: ({ signal }) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason as Error)),
      ),
  };
  const loops = await startLoops(contextOf(link));
  await loops[Symbol.asyncDispose]();
  expect((await listLoops(fixture.store.db)).every(({ name }) => !name.includes("@"))).toBe(true);
});

it("brings back a workspace whose container goes, as soon as the engine tells", async () => {
  const host = createMemoryHost({ hostId: "one" });
  const id = crypto.randomUUID();
  const { url } = await host.host.provisioner.up({ id, name: "w", runtime: "langgraph", tier: 2 });
  await fixture.addWorkspace({ id, url, hostId: "one" });
  const loops = await startLoops(contextOf(host));
  try {
    await vi.waitFor(
      async () => expect(await namesThatSucceeded()).toContain("health@one"),
      15_000,
    );
    host.vanish(id);
    await vi.waitFor(
      async () =>
        expect(await fixture.operationsOf(id)).toMatchObject([
          { kind: "restart", state: "queued" },
        ]),
      10_000,
    );
  } finally {
    await loops[Symbol.asyncDispose]();
  }
});

it("calls a loop stale that has not succeeded for three intervals, or never did and failed", () => {
  const { intervalMs, timeoutMs } = LOOPS.health;
  const stale = (quietMs: number | undefined, failures = 0) =>
    isStale("health@some-engine", { quietMs, failures });
  expect(stale(3 * intervalMs + timeoutMs)).toBe(false);
  expect(stale(3 * intervalMs + timeoutMs + 1)).toBe(true);
  expect(stale(undefined, 0)).toBe(false);
  expect(stale(undefined, 1)).toBe(true);
  expect(isStale("a-loop-of-a-newer-server", { quietMs: 1e12, failures: 0 })).toBe(false);
});

it("shows moments as ISO 8601 in UTC", async () => {
  await fixture.store.db.execute(sql`
    insert into loops (name, last_started_at) values ('x', '2026-01-02T03:04:05.678+02:00')`);
  const [loop] = await listLoops(fixture.store.db);
  expect(loop?.last_started_at).toBe("2026-01-02T01:04:05.678Z");
});
