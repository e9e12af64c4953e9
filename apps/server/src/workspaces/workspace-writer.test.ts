import { createRedactor } from "@molecule-ai/core";
import { eq, sql } from "drizzle-orm";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createTestQueue } from "../../test/support/operation-fixture.js";
import { openSecretBox } from "../secrets/secret-box.js";
import { createSecretStore } from "../secrets/secret-store.js";
import type { Store } from "../store/open-store.js";
import { events, operations, workspaces } from "../store/schema.js";
import type { NewWorkspace } from "./new-workspace.js";
import { createWorkspaceWriter, type WorkspaceWriter } from "./workspace-writer.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

let store: Store;
let writer: WorkspaceWriter;

beforeEach(async () => {
  store = await openMemoryStore();
  const box = await openSecretBox({
    secretsKey: "0".repeat(64),
    previousSecretsKey: undefined,
    keyDirectory: undefined,
  });
  const secrets = createSecretStore({ box, redactor: createRedactor() });
  writer = createWorkspaceWriter({ store, secrets, operations: createTestQueue(store) });
});
afterEach(() => store?.[Symbol.asyncDispose]());

function wanted(name: string, other: Partial<NewWorkspace> = {}) {
  const workspace: NewWorkspace = {
    name,
    role: `role of ${name}`,
    tier: 2,
    runtime: "langgraph",
    model: undefined,
    template: undefined,
    url: undefined,
    parentId: undefined,
    workspaceDir: undefined,
    workspaceAccess: "none",
    budgetLimit: undefined,
    maxConcurrentTasks: 1,
    hibernationIdleMinutes: 0,
    canvas: { x: 0, y: 0 },
    secrets: {},
    warnings: [],
    ...other,
  };
  return { wanted: workspace, requester: { actor: "admin", requestId: `request ${name}` } };
}

/** The transactions that wrote the workspaces. */
async function countTransactions(): Promise<number> {
  return new Set(
    (await store.db.select({ of: sql<string>`xmin::text` }).from(workspaces)).map(({ of }) => of),
  ).size;
}

it("writes what comes at the same moment in few transactions, each with its own operation and events", async () => {
  const names = Array.from({ length: 250 }, (_, n) => `agent ${n}`);
  const created = await Promise.all(
    names.map((name, n) => writer.write(wanted(name, n % 2 === 0 ? { template: `t${n}` } : {}))),
  );
  expect(await countTransactions()).toBeLessThanOrEqual(4);
  const written = await store.db
    .select({ row: workspaces, operation: operations })
    .from(workspaces)
    .innerJoin(operations, eq(operations.id, workspaces.lastOperationId));
  const byId = new Map(written.map((one) => [one.row.id, one]));
  const recorded = await store.db.select().from(events).orderBy(events.id);
  expect(byId.size).toBe(names.length);
  for (const [n, name] of names.entries()) {
    const { row, operations: refs } = created[n] ?? expect.fail();
    const found = byId.get(row.id) ?? expect.fail();
    expect(found.row).toMatchObject({
      ...row,
      name,
      role: `role of ${name}`,
      status: "provisioning",
      template: n % 2 === 0 ? `t${n}` : null,
      version: 1,
      createdBy: "admin",
      awarenessNamespace: `workspace:${row.id}`,
    });
    expect(refs).toEqual([{ id: found.operation.id, workspaceId: row.id, state: "queued" }]);
    expect(found.operation).toMatchObject({
      workspaceId: row.id,
      runtime: "langgraph",
      kind: "provision",
      state: "queued",
      params: n % 2 === 0 ? { template: `t${n}` } : {},
      requestedBy: "admin",
    });
    expect(recorded.filter(({ workspaceId }) => workspaceId === row.id)).toMatchObject([
      { eventType: "WORKSPACE_PROVISIONING", requestId: `request ${name}` },
      { eventType: "OPERATION_QUEUED", operationId: found.operation.id },
    ]);
  }
});

it("rejects the one that cannot be written, and writes the others once", async () => {
  const outcomes = await Promise.allSettled([
    writer.write(wanted("a")),
    writer.write(wanted("bad", { tier: 9 })),
    writer.write(wanted("b", { runtime: "external" })),
  ]);
  expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  const rows = await store.db.select().from(workspaces).orderBy(workspaces.name);
  expect(rows.map(({ name, status }) => [name, status])).toEqual([
    ["a", "provisioning"],
    ["b", "awaiting_agent"],
  ]);
  expect(await store.db.$count(operations)).toBe(1);
  expect(await store.db.$count(events)).toBe(4);
  // Nothing is stuck behind it.
  await writer.write(wanted("c"));
});

it("makes nothing twice when nobody knows whether the commit succeeded", async () => {
  const transaction = store.db.transaction.bind(store.db);
  store.db.transaction = async (work, config) => {
    await transaction(work, config);
    throw new Error("the answer to the commit was lost");
  };
  const outcomes = await Promise.allSettled(["a", "b"].map((name) => writer.write(wanted(name))));
  expect(outcomes.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await store.db.$count(workspaces)).toBe(2);
});
