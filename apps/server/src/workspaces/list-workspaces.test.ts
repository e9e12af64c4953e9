import type { JsonValue } from "@molecule-ai/core";
import fc from "fast-check";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, it } from "vitest";
import { toWorkspaceView } from "../api/to-workspace-view.js";
import { workspaceView } from "../api/workspace-view.js";
import { OPERATION_STATES } from "../state/operation-state.js";
import { WORKSPACE_STATUSES } from "../state/workspace-status.js";
import type { Store } from "../store/open-store.js";
import { operations, workspaces } from "../store/schema.js";
import { findWorkspace, listWorkspaces } from "./list-workspaces.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

let store: Store;

beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(() => store?.[Symbol.asyncDispose]());

/** What the store can hold: neither NUL nor half a surrogate pair. */
const text = fc
  .string({ unit: "grapheme" })
  .map((value) => value.replaceAll("\0", ""))
  .chain((value) => fc.constantFrom(value, `"${value}\\`, `${value}\n\t'`, ""));
const maybe = <Value>(value: fc.Arbitrary<Value>) => fc.option(value);
const moment = fc
  .date({ min: new Date("1990-01-01"), max: new Date("2190-01-01"), noInvalidDate: true })
  .map((date) => new Date(date.getTime()));
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const uuid = fc.constant(undefined).map(() => randomUUID() as string);

const workspace = fc.record({
  name: text,
  role: text,
  tier: fc.integer({ min: 1, max: 4 }),
  tierApplied: maybe(fc.integer({ min: 1, max: 4 })),
  status: fc.constantFrom(...WORKSPACE_STATUSES.filter((status) => status !== "removed")),
  runtime: fc.constantFrom("langgraph", "external", 'quoted"'),
  model: maybe(text),
  template: maybe(text),
  agentCard: maybe(
    fc
      .dictionary(fc.string({ maxLength: 8 }), fc.oneof(text, number, fc.boolean()))
      .map((card) => JSON.parse(JSON.stringify(card).replaceAll("\\u0000", "")) as JsonValue),
  ),
  url: maybe(text),
  forwardedTo: maybe(uuid),
  awarenessNamespace: maybe(text),
  workspaceDir: maybe(text),
  workspaceAccess: fc.constantFrom("none", "read_only", "read_write"),
  budgetLimit: maybe(fc.maxSafeNat()),
  monthlySpend: fc.maxSafeNat(),
  maxConcurrentTasks: fc.nat(),
  collapsed: fc.boolean(),
  canvasX: number,
  canvasY: number,
  lastHeartbeatAt: maybe(moment),
  lastErrorRate: number,
  lastSampleError: text,
  currentTask: text,
  runtimeState: text,
  imageRef: maybe(text),
  provisionStartedAt: maybe(moment),
  createdAt: moment,
  updatedAt: moment,
});
const operation = fc.record({
  state: fc.constantFrom(...OPERATION_STATES),
  stage: maybe(text),
  errorCode: maybe(text),
  errorMessage: maybe(text),
  errorHint: maybe(text),
});

it("writes in the database what the views say", async () => {
  await fc.assert(
    fc.asyncProperty(workspace, maybe(operation), maybe(fc.nat()), async (row, last, timeout) => {
      const [id, operationId] = [randomUUID(), randomUUID()];
      await store.db.delete(workspaces);
      await store.db
        .insert(workspaces)
        .values({ ...row, id, createdBy: "admin", lastOperationId: last && operationId });
      if (last !== null) {
        await store.db.insert(operations).values({
          ...last,
          id: operationId,
          workspaceId: id,
          runtime: row.runtime,
          kind: "provision",
          requestedBy: "admin",
        });
      }
      const timeouts = new Map(timeout === null ? [] : [[row.runtime, timeout]]);
      const page = await listWorkspaces(store.db, {}, { limit: 1, after: undefined, timeouts });
      const found = (await findWorkspace(store.db, id)) ?? expect.fail();
      const listed = JSON.parse(page.json) as unknown[];
      expect(listed).toEqual([
        JSON.parse(JSON.stringify(toWorkspaceView(found.row, found.last, timeout ?? undefined))),
      ]);
      expect(listed.map((view) => workspaceView.parse(view))).toEqual(listed);
    }),
    { numRuns: 100 },
  );
});
