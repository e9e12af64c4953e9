import fc from "fast-check";
import { and, eq, inArray, sql } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  addWorkspace,
  ask,
  createTestQueue,
  createTestRunner,
  type TestRunner,
} from "../../test/support/operation-fixture.js";
import { storeHomes, type StoreHome } from "../../test/support/store-homes.js";
import {
  OPERATION_KINDS,
  UNFINISHED_STATES,
  type OperationKind,
} from "../state/operation-state.js";
import { recordEvents } from "../store/events.js";
import type { Store } from "../store/open-store.js";
import { operations } from "../store/schema.js";
import { claimOperation } from "./claim-operation.js";
import { endOperation } from "./end-operation.js";
import { cancelledFailure } from "./operation-failure.js";
import type { OperationQueue, OperationRow } from "./operation.js";

const WORKSPACES = [0, 1, 2] as const;

type Command =
  | { readonly do: "request"; readonly workspace: number; readonly kind: OperationKind }
  | { readonly do: "cancel"; readonly workspace: number; readonly which: "open" | "waiting" }
  | { readonly do: "claim" }
  | { readonly do: "end"; readonly workspace: number; readonly state: "succeeded" | "failed" }
  | { readonly do: "crash"; readonly workspace: number };

const workspace = fc.constantFrom(...WORKSPACES);
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("request" as const),
      workspace,
      kind: fc.constantFrom(...OPERATION_KINDS),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("claim" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant("end" as const),
      workspace,
      state: fc.constantFrom("succeeded", "failed"),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("cancel" as const),
      workspace,
      which: fc.constantFrom("open", "waiting"),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("crash" as const), workspace }) },
) as fc.Arbitrary<Command>;

/** What a person who knows the rules expects of one workspace. */
interface Expected {
  open?: { kind: OperationKind; isRunning: boolean; isDead: boolean; turn: number } | undefined;
  waiting?: { kind: OperationKind; turn: number } | undefined;
}

describe.each(storeHomes)(
  "any order of requests, cancels, claims, ends and crashes on $name",
  (kind) => {
    describe.skipIf(kind.skip !== undefined)("is survived:", () => {
      let home: StoreHome;
      let store: Store;
      let runner: TestRunner;
      let queue: OperationQueue;
      beforeAll(async () => {
        home = await kind.open();
        store = home.store;
      });
      beforeEach(() => home.clear());
      afterAll(() => home?.[Symbol.asyncDispose]());

      const unfinishedOf = (workspaceId: string): Promise<OperationRow[]> =>
        store.db
          .select()
          .from(operations)
          .where(
            and(
              eq(operations.workspaceId, workspaceId),
              inArray(operations.state, [...UNFINISHED_STATES]),
            ),
          );
      const find = async (workspaceId: string, which: "open" | "waiting") =>
        (await unfinishedOf(workspaceId)).find(
          ({ state }) => (state === "waiting") === (which === "waiting"),
        );
      const claim = (on = store): Promise<OperationRow | undefined> =>
        claimOperation(on.db, {
          hostId: "host-a",
          instanceId: randomUUID(),
          leaseMs: 3_600_000,
          perRuntime: 100,
          hasSlot: { starting: true, stopping: true },
          runningIds: [],
        });
      const end = (
        row: OperationRow,
        state: "succeeded" | "failed",
        on = store,
      ): Promise<boolean> =>
        on.db.transaction(async (tx) => {
          const events = await endOperation(tx, runner, {
            workspaceId: row.workspaceId,
            where: and(
              eq(operations.id, row.id),
              eq(operations.attempt, row.attempt),
              eq(operations.state, "running"),
            ),
            ending: state === "succeeded" ? { state } : { state, error: cancelledFailure("no") },
            actor: "system:worker",
          });
          await recordEvents(tx, events ?? []);
          return events !== undefined;
        });
      const crash = (row: OperationRow): Promise<unknown> =>
        store.db
          .update(operations)
          .set({ leaseExpiresAt: sql`clock_timestamp() - interval '1 second'` })
          .where(and(eq(operations.id, row.id), eq(operations.state, "running")));
      const run = async (step: Command, ids: readonly string[], on = store): Promise<void> => {
        if (step.do === "claim") return void (await claim(on));
        const id = ids[step.workspace] ?? "";
        if (step.do === "request") {
          await ask(on, createTestQueue(on, runner), id, { kind: step.kind });
          return;
        }
        const row = await find(id, step.do === "cancel" ? step.which : "open");
        if (row === undefined) return;
        if (step.do === "cancel") await queue.cancel(row.id, { actor: "admin" });
        else if (row.state === "running")
          await (step.do === "end" ? end(row, step.state, on) : crash(row));
      };
      const endAll = async (ids: readonly string[]): Promise<void> => {
        for (const id of ids) {
          const row = await find(id, "open");
          if (row !== undefined) await crash(row);
        }
        for (let row = await claim(); row !== undefined; row = await claim()) {
          await end(row, "succeeded");
        }
      };
      const begin = async (): Promise<string[]> => {
        await home.clear();
        runner = createTestRunner();
        queue = createTestQueue(store, runner);
        return Promise.all(WORKSPACES.map(() => addWorkspace(store)));
      };

      it("one after the other, the rows are at each step what the rules say", async () => {
        await fc.assert(
          fc.asyncProperty(fc.array(command, { minLength: 5, maxLength: 25 }), async (steps) => {
            const ids = await begin();
            const expected: Expected[] = ids.map(() => ({}));
            for (const [turn, step] of steps.entries()) {
              await run(step, ids);
              expect(step, "is a step of the model").toSatisfy((one: Command) =>
                follow(expected, one, turn),
              );
              for (const [at, id] of ids.entries()) {
                const rows = await unfinishedOf(id);
                const { open, waiting } = expected[at] ?? {};
                expect(rows.map((row) => `${row.kind} ${row.state}`).sort()).toEqual(
                  [
                    open && `${open.kind} ${open.isRunning ? "running" : "queued"}`,
                    waiting && `${waiting.kind} waiting`,
                  ]
                    .filter((one) => one !== undefined)
                    .sort(),
                );
              }
            }
          }),
          { numRuns: 20, endOnFailure: true },
        );
      });

      it("all at once, none is lost, none ends twice, and a removal stays", async () => {
        const stores = [store, await home.another()];
        await fc.assert(
          fc.asyncProperty(fc.array(command, { minLength: 10, maxLength: 30 }), async (steps) => {
            const ids = await begin();
            await Promise.all(steps.map((step, at) => run(step, ids, stores[at % 2])));
            const asked = steps.filter((step) => step.do === "request");
            for (const id of ids) {
              const rows = await unfinishedOf(id);
              const states = rows.map(({ state }) => state);
              expect(states.filter((state) => state === "waiting").length).toBeLessThanOrEqual(1);
              expect(states.filter((state) => state !== "waiting").length).toBeLessThanOrEqual(1);
              if (states.length > 0) expect(states.some((state) => state !== "waiting")).toBe(true);
            }
            await endAll(ids);
            const rows = await store.db.select().from(operations);
            for (const [at, id] of ids.entries()) {
              const mine = rows.filter((row) => row.workspaceId === id);
              const wanted = asked.filter((step) => step.workspace === at);
              expect(mine.length > 0).toBe(wanted.length > 0);
              if (wanted.some((step) => step.kind === "remove")) {
                const removals = mine.filter((row) => row.kind === "remove");
                expect(removals.length).toBeGreaterThan(0);
                expect(removals.map(({ state }) => state)).not.toContain("cancelled");
              }
            }
            expect(rows.every((row) => row.finishedAt !== null)).toBe(true);
            const ended = runner.finished.map(({ operation }) => operation.id);
            expect(new Set(ended).size).toBe(ended.length);
            // What was superseded before it ran is explained by what took its place.
            const superseded = rows.filter(
              (row) => row.errorDetails?.["superseded_by"] !== undefined,
            );
            expect(ended.length + superseded.length).toBe(rows.length);
          }),
          { numRuns: 15, endOnFailure: true },
        );
      });
    });
  },
);

function isCancellable(operation: { readonly kind: string } | undefined): boolean {
  return operation?.kind !== "remove" && operation?.kind !== "pause";
}

/** The rules, told a second time. True when the step was understood. */
function follow(all: Expected[], step: Command, turn: number): boolean {
  if (step.do === "claim") {
    const next = all
      .filter(({ open }) => open !== undefined && (!open.isRunning || open.isDead))
      .sort((a, b) => (a.open?.turn ?? 0) - (b.open?.turn ?? 0))[0];
    if (next?.open !== undefined) Object.assign(next.open, { isRunning: true, isDead: false });
    return true;
  }
  const mine = all[step.workspace];
  if (mine === undefined) return false;
  const endOpen = (): void => {
    const { waiting } = mine;
    mine.open = waiting && { ...waiting, isRunning: false, isDead: false };
    mine.waiting = undefined;
  };
  switch (step.do) {
    case "request": {
      const { open, waiting } = mine;
      const created = { kind: step.kind, turn };
      if (open === undefined) mine.open = { ...created, isRunning: false, isDead: false };
      else if ((waiting ?? open).kind === "remove") return true;
      else if (waiting?.kind === step.kind) return true;
      else if (open.isRunning) mine.waiting = created;
      else if (open.kind !== step.kind) mine.open = { ...created, isRunning: false, isDead: false };
      return true;
    }
    case "cancel":
      if (step.which === "waiting" && isCancellable(mine.waiting)) mine.waiting = undefined;
      if (step.which === "open" && mine.open?.isRunning === false && isCancellable(mine.open)) {
        endOpen();
      }
      return true;
    case "end":
      if (mine.open?.isRunning === true) endOpen();
      return true;
    case "crash":
      if (mine.open?.isRunning === true) mine.open.isDead = true;
      return true;
    default:
      return step satisfies never;
  }
}
