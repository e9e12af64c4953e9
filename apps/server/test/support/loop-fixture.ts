import { systemClock, createRedactor } from "@molecule-ai/core";
import { sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { serverConfigFromEnv } from "../../src/config.js";
import { createOperationQueue } from "../../src/operations/create-operation-queue.js";
import type { ServerContext } from "../../src/server-context.js";
import { queryRows } from "../../src/store/database.js";
import type { Store } from "../../src/store/open-store.js";
import { operations, workspaces } from "../../src/store/schema.js";
import { createTokens } from "../../src/access/tokens.js";
import { storeHomes, type StoreHomeKind } from "./store-homes.js";

export type LoopContext = Pick<
  ServerContext,
  | "clock"
  | "config"
  | "instanceId"
  | "logger"
  | "operations"
  | "redactor"
  | "store"
  | "templates"
  | "tokens"
>;

/** A store, rows in it, and what loops are given besides the engine. */
export interface LoopFixture extends AsyncDisposable {
  readonly store: Store;
  /** With settings of its own when an environment is given. */
  context(env?: Readonly<Record<string, string>>): LoopContext;
  addWorkspace(values?: Partial<typeof workspaces.$inferInsert>): Promise<string>;
  addOperation(
    workspaceId: string,
    values?: Partial<typeof operations.$inferInsert>,
  ): Promise<string>;
  statusOf(id: string): Promise<string | undefined>;
  /** Events in the order they were recorded. */
  events(): Promise<
    readonly { type: string; workspaceId: string | null; payload: Record<string, unknown> }[]
  >;
  operationsOf(
    workspaceId: string,
  ): Promise<readonly { id: string; kind: string; state: string; params: unknown }[]>;
  /** Empties every table. */
  clear(): Promise<void>;
}

/** A moment before now. */
export function ago(ms: number): Date {
  return new Date(Date.now() - ms);
}

/** On the embedded database, unless another home is given. */
export async function openLoopFixture(
  kind: Pick<StoreHomeKind, "open"> | undefined = storeHomes[0],
): Promise<LoopFixture> {
  if (kind === undefined) throw new Error("There is no store.");
  const logger = pino({ level: "silent" });
  const clock = systemClock;
  const home = await kind.open();
  const { store } = home;
  const { db } = store;
  const queue = createOperationQueue({ store, runner: { finish: () => Promise.resolve() } });
  const tokens = await createTokens({ store, clock, logger, adminToken: "x".repeat(32) });
  return {
    store,
    context: (env = {}) => ({
      clock,
      logger,
      store,
      tokens,
      operations: queue,
      config: serverConfigFromEnv(env),
      instanceId: randomUUID(),
      redactor: createRedactor(),
      templates: {
        find: () => Promise.resolve(undefined),
        list: () => Promise.resolve([]),
        provisionTimeouts: () => Promise.resolve(new Map()),
      },
    }),
    async addWorkspace(values = {}) {
      const id = values.id ?? randomUUID();
      await db.insert(workspaces).values({
        name: "w",
        tier: 2,
        status: "online",
        runtime: "langgraph",
        createdBy: "admin",
        hostId: "memory-engine",
        ...values,
        id,
      });
      return id;
    },
    async addOperation(workspaceId, values = {}) {
      const id = values.id ?? randomUUID();
      await db.insert(operations).values({
        runtime: "langgraph",
        kind: "provision",
        state: "succeeded",
        requestedBy: "admin",
        ...values,
        id,
        workspaceId,
      });
      return id;
    },
    async statusOf(id) {
      const [row] = await queryRows<{ status: string }>(
        db,
        sql`select status from workspaces where id = ${id}`,
      );
      return row?.status;
    },
    events: () =>
      queryRows(
        db,
        sql`select event_type as type, workspace_id as "workspaceId", payload
            from structure_events order by id`,
      ),
    operationsOf: (workspaceId) =>
      queryRows(
        db,
        sql`select id, kind, state, params from operations where workspace_id = ${workspaceId}
            order by created_at, id`,
      ),
    async clear() {
      await db.execute(
        sql`truncate workspaces, operations, structure_events, builds, auth_tokens, settings, loops,
              idempotency_keys, server_instances cascade`,
      );
    },
    async [Symbol.asyncDispose]() {
      await tokens[Symbol.asyncDispose]();
      await home[Symbol.asyncDispose]();
    },
  };
}
