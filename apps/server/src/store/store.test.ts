import { isProvisionerError } from "@molecule-ai/core";
import { findTestPostgres, startTestPostgres, type TestPostgres } from "@molecule-ai/testkit";
import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import { queryRows } from "./database.js";
import { recordEvents } from "./events.js";
import { migrateStore } from "./migrate.js";
import { notify } from "./notifications.js";
import { openStore, type Store } from "./open-store.js";
import { events } from "./schema.js";

const logger = pino({ level: "silent" });
const postgres = await findTestPostgres();

describe.each(storeHomes)("a store in $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("keeps its promises:", () => {
    let home: StoreHome;
    let store: Store;
    beforeAll(async () => {
      home = await kind.open();
      store = home.store;
    });
    beforeEach(() => home.clear());
    afterAll(() => home?.[Symbol.asyncDispose]());

    it("migrations are applied once, however often it is opened", async () => {
      const applied = () =>
        queryRows(store.db, sql`select * from schema_migrations order by created_at`);
      const before = await applied();
      expect(before.length).toBeGreaterThanOrEqual(2);
      await migrateStore(store.db);
      expect(await applied()).toEqual(before);
    });

    it("a database that a newer version used is refused, and left as it is", async () => {
      await store.db.execute(
        sql`insert into schema_migrations (created_at, hash) values (9999999999999, 'x')`,
      );
      try {
        await expect(migrateStore(store.db)).rejects.toSatisfy((error) =>
          isProvisionerError(error, "ERR_STORE_NEWER"),
        );
      } finally {
        await store.db.execute(sql`delete from schema_migrations where created_at = 9999999999999`);
      }
    });

    it("a notification comes with its commit, to all subscribers of all processes, and not without", async () => {
      const other = await home.another();
      const heard: string[] = [];
      const stops = [
        await store.notifications.subscribe("molecule_tokens", (id) => heard.push(`1 ${id}`)),
        await store.notifications.subscribe("molecule_tokens", (id) => heard.push(`2 ${id}`)),
        await other.notifications.subscribe("molecule_tokens", (id) => heard.push(`3 ${id}`)),
      ];
      const undone = store.db.transaction(async (tx) => {
        await notify(tx, "molecule_tokens", "never");
        throw new Error("rolled back");
      });
      await expect(undone).rejects.toThrow("rolled back");
      await store.db.transaction(async (tx) => {
        await notify(tx, "molecule_tokens", "a");
        expect(heard).toEqual([]);
      });
      await expect.poll(() => [...heard].sort()).toEqual(["1 a", "2 a", "3 a"]);
      for (const stop of stops) stop();
      await notify(store.db, "molecule_tokens", "b");
      await store.db.execute(sql`select 1`);
      expect(heard).not.toContain("1 b");
    });

    it("ids of events are in the order of commits: who has seen one has seen all before it", async () => {
      const writers = [store, await home.another()];
      const seen: number[] = [];
      let isOver = false;
      const reading = (async () => {
        let last = 0;
        while (!isOver || seen.length < 60) {
          const rows = await queryRows<{ id: string }>(
            store.db,
            sql`select id from structure_events where id > ${last} order by id`,
          );
          for (const { id } of rows) seen.push((last = Number(id)));
        }
      })();
      await Promise.all(
        Array.from({ length: 30 }, (_, at) =>
          (writers[at % 2] ?? store).db.transaction(async (tx) => {
            const event = { type: "WORKSPACE_ONLINE", actor: "admin" } as const;
            await recordEvents(tx, [event]);
            // Between an id and its commit, others would get later ids and commit earlier.
            await tx.execute(sql`select pg_sleep(${(at % 3) * 0.01})`);
            await recordEvents(tx, [event]);
          }),
        ),
      );
      isOver = true;
      await reading;
      const all = await store.db.select({ id: events.id }).from(events).orderBy(events.id);
      expect(seen).toEqual(all.map(({ id }) => id));
      expect(seen).toHaveLength(60);
    });
  });
});

describe("a state directory", () => {
  let directory: string;
  const children: ChildProcess[] = [];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "store-"));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await rm(directory, { recursive: true, force: true });
  });
  const open = (): Promise<Store> =>
    openStore({ databaseUrl: undefined, stateDirectory: directory, logger });

  it("belongs to one process, and to the next as soon as that one is killed", async () => {
    const child = startHolder(directory);
    children.push(child);
    await once(child.stdout as NodeJS.ReadableStream, "data");
    const refusal: unknown = await open().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isProvisionerError(refusal, "ERR_STORE_IN_USE")).toBe(true);
    expect((refusal as Error).message).toContain(directory);

    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    await using store = await open();
    // What was committed before the kill is there.
    expect(await queryRows(store.db, sql`select key from settings`)).toEqual([{ key: "kept" }]);
  });

  it("is read by its owner only", async () => {
    await chmod(directory, 0o755);
    await using store = await open();
    await store.ping();
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
  });

  it("is told apart by a name that is too long for a socket, and by one that is a file", async () => {
    for (const stateDirectory of [join(directory, "x".repeat(120)), "/dev/null/state"]) {
      await expect(openStore({ databaseUrl: undefined, stateDirectory, logger })).rejects.toSatisfy(
        (error) => isProvisionerError(error, "ERR_STORE_DIRECTORY"),
      );
    }
  });
});

describe.skipIf(postgres.skip !== undefined)("a PostgreSQL", () => {
  let cluster: TestPostgres;
  let databaseUrl: string;
  beforeAll(async () => {
    cluster = await startTestPostgres();
  });
  beforeEach(async () => {
    databaseUrl = await cluster.createDatabase();
  });
  afterAll(() => cluster?.[Symbol.asyncDispose]());
  const open = (url = databaseUrl): Promise<Store> =>
    openStore({ databaseUrl: url, stateDirectory: undefined, logger });

  it("is migrated once by servers that start at the same moment", async () => {
    const stores = await Promise.all(Array.from({ length: 4 }, () => open()));
    try {
      const [rows] = await queryRows<{ n: number; distinct: number }>(
        (stores[0] as Store).db,
        sql`select count(*)::int as n, count(distinct created_at)::int as distinct from schema_migrations`,
      );
      expect(rows?.n).toBe(rows?.distinct);
    } finally {
      await Promise.all(stores.map((store) => store[Symbol.asyncDispose]()));
    }
  });

  it("that does not answer is named by a reason, never by its password", async () => {
    const failure: unknown = await open("postgres://u:s3cret-value@127.0.0.1:1/x").then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isProvisionerError(failure, "ERR_STORE_UNAVAILABLE")).toBe(true);
    expect(failure).toMatchObject({ retryable: true, details: { reason: "ECONNREFUSED" } });
    expect(JSON.stringify(failure)).not.toContain("s3cret");
  });

  it("that cuts a connection in the middle of a transaction fails that transaction, not the process", async () => {
    await using store = await openStore({ databaseUrl, stateDirectory: undefined, logger });
    const broken = store.db.transaction(async (tx) => {
      const [own] = await queryRows<{ pid: number }>(tx, sql`select pg_backend_pid() as pid`);
      await store.db.execute(sql`select pg_terminate_backend(${own?.pid ?? 0})`);
      // The break arrives while no statement is under way.
      await new Promise((resolve) => setTimeout(resolve, 200));
      await tx.execute(sql`select 1`);
    });
    await expect(broken).rejects.toThrow();
    await store.ping();
  });

  it("ends one of two transactions that wait for each other, which then begins anew", async () => {
    await using store = await open();
    await store.db.execute(sql`create table pair (id int primary key, writes int not null)`);
    await store.db.execute(sql`insert into pair values (1, 0), (2, 0)`);
    let attempts = 0;
    let meet: () => void = () => undefined;
    let waiting = 2;
    const both = new Promise<void>((resolve) => (meet = resolve));
    const write = (first: number, second: number): Promise<void> =>
      store.db.transaction(async (tx) => {
        attempts += 1;
        await tx.execute(sql`update pair set writes = writes + 1 where id = ${first}`);
        waiting -= 1;
        if (waiting === 0) meet();
        await both;
        await tx.execute(sql`update pair set writes = writes + 1 where id = ${second}`);
      });
    await Promise.all([write(1, 2), write(2, 1)]);
    expect(attempts).toBeGreaterThan(2);
    expect(await queryRows(store.db, sql`select writes from pair`)).toEqual([
      { writes: 2 },
      { writes: 2 },
    ]);
  });

  it("is listened to again after its connections were cut, and says that something may be missed", async () => {
    await using store = await open();
    const heard: string[] = [];
    await store.notifications.subscribe("molecule_events", (payload) => heard.push(payload));
    await cutConnections(store);
    // Nobody listens now.
    await ignoringBrokenConnections(() => notify(store.db, "molecule_events", "missed"));
    await expect.poll(() => heard).toContain("");
    const id = randomUUID();
    await notify(store.db, "molecule_events", id);
    await expect.poll(() => heard).toContain(id);
  });

  it("that is away for a while is asked for at a steady pace, and listened to when it is back", async () => {
    const socketDirectory = new URL(databaseUrl).searchParams.get("host") ?? "";
    let isAway = false;
    let refused = 0;
    const sockets = new Set<Socket>();
    const proxy = createServer((socket) => {
      socket.on("error", () => undefined);
      if (isAway) {
        refused++;
        socket.destroy();
        return;
      }
      const server = connect(join(socketDirectory, ".s.PGSQL.5432"));
      server.on("error", () => undefined);
      socket.pipe(server).pipe(socket);
      for (const one of [socket, server]) sockets.add(one);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    const url = new URL(databaseUrl);
    url.host = `127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    url.searchParams.delete("host");
    try {
      await using store = await open(url.href);
      await using direct = await open();
      const heard: string[] = [];
      await store.notifications.subscribe("molecule_events", (payload) => heard.push(payload));
      isAway = true;
      for (const socket of sockets) socket.destroy();
      await expect.poll(() => refused).toBeGreaterThanOrEqual(4);
      const before = refused;
      await sleep(3000);
      // Attempts that breed attempts would be many by now.
      expect(refused - before).toBeLessThanOrEqual(4);
      isAway = false;
      await expect.poll(() => heard).toContain("");
      await notify(direct.db, "molecule_events", "again");
      await expect.poll(() => heard).toContain("again");
    } finally {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    }
  });

  async function cutConnections(store: Store): Promise<void> {
    await ignoringBrokenConnections(async () => {
      await store.db.execute(sql`
        select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`);
    });
  }

  /** A pool notices only by use that a connection is gone. */
  async function ignoringBrokenConnections(work: () => Promise<void>): Promise<void> {
    for (let attempt = 0; attempt < 20; attempt++) {
      const isDone = await work().then(
        () => true,
        () => false,
      );
      if (isDone) return;
    }
    throw new Error("the database does not come back");
  }
});

/** A process that holds a state directory and has stored something. */
function startHolder(directory: string): ChildProcess {
  const script = fileURLToPath(new URL("../../test/support/store-holder.ts", import.meta.url));
  return spawn(
    process.execPath,
    ["--conditions=@molecule-ai/source", "--import", "tsx", script, directory],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
}
