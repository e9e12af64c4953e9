import { systemClock } from "@molecule-ai/core";
import { eq, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import { serverInstances } from "./schema.js";
import { listServerInstances, registerServerInstance } from "./server-instances.js";

const logger = pino({ level: "silent" });

describe.each(storeHomes)("server processes on $name", (kind) => {
  describe.skipIf(kind.skip !== undefined)("know each other:", () => {
    let home: StoreHome;
    beforeAll(async () => {
      home = await kind.open();
    });
    beforeEach(() => home.clear());
    afterAll(() => home?.[Symbol.asyncDispose]());

    const register = (hostId: string | undefined): Promise<AsyncDisposable> =>
      registerServerInstance({
        db: home.store.db,
        clock: systemClock,
        logger,
        id: randomUUID(),
        hostId: () => hostId,
        url: "http://10.0.0.1:8080",
      });
    const hosts = async (): Promise<unknown[]> =>
      (await listServerInstances(home.store.db)).map(({ hostId }) => hostId);

    it("a process is listed with its engine until it stops", async () => {
      const first = await register("host-a");
      await using _second = await register(undefined);
      expect(await hosts()).toEqual(["host-a", null]);
      await first[Symbol.asyncDispose]();
      expect(await hosts()).toEqual([null]);
    });

    it("a process that fell silent is not listed, and is forgotten by the next", async () => {
      const silent = randomUUID();
      await home.store.db
        .insert(serverInstances)
        .values({ id: silent, seenAt: sql`clock_timestamp() - interval '31 seconds'` });
      expect(await hosts()).toEqual([]);
      await using _next = await register("host-a");
      const left = await home.store.db
        .select()
        .from(serverInstances)
        .where(eq(serverInstances.id, silent));
      expect(left).toEqual([]);
    });

    it("a process says again and again that it lives, and which engine it found meanwhile", async () => {
      let hostId: string | undefined;
      const waits: (() => void)[] = [];
      const clock = {
        ...systemClock,
        sleep: (_: number, signal?: AbortSignal) =>
          new Promise<void>((resolve) => {
            waits.push(resolve);
            signal?.addEventListener("abort", () => resolve());
          }),
      };
      await using _instance = await registerServerInstance({
        db: home.store.db,
        clock,
        logger,
        id: randomUUID(),
        hostId: () => hostId,
        url: undefined,
      });
      expect(await hosts()).toEqual([null]);
      hostId = "host-a";
      waits.shift()?.();
      await expect.poll(hosts).toEqual(["host-a"]);
    });
  });
});
