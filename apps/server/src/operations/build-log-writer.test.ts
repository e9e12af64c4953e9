import { createRedactor, systemClock, type ProvisionEvent } from "@molecule-ai/core";
import { asc, eq } from "drizzle-orm";
import { randomUUID } from "node:crypto";
import { pino } from "pino";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Store } from "../store/open-store.js";
import { buildLogs, builds } from "../store/schema.js";
import { createBuildLogWriter, endOpenBuilds, type BuildLogWriter } from "./build-log-writer.js";
import { openMemoryStore } from "../../test/support/memory-store.js";

const logger = pino({ level: "silent" });
let store: Store;
beforeAll(async () => {
  store = await openMemoryStore();
});
afterAll(() => store[Symbol.asyncDispose]());

function open(limits: { maxLines?: number; maxBytes?: number } = {}) {
  const operation = { id: randomUUID(), workspaceId: randomUUID(), runtime: "langgraph" };
  const writer = createBuildLogWriter({
    db: store.db,
    operation,
    redactor: createRedactor(["hunter2"]),
    clock: systemClock,
    logger,
    ...limits,
  });
  return { operation, writer };
}

function log(writer: BuildLogWriter, ...lines: string[]): void {
  for (const line of lines) {
    writer.onEvent({ type: "build.log", vertex: "1", stream: "stdout", line });
  }
}

const started: ProvisionEvent = { type: "stage.started", stage: "build", subject: "langgraph" };
const finished: ProvisionEvent = {
  type: "stage.finished",
  stage: "build",
  outcome: "built",
  durationMs: 1,
};

async function readBuild(operationId: string) {
  const [build] = await store.db.select().from(builds).where(eq(builds.operationId, operationId));
  const rows = await store.db
    .select()
    .from(buildLogs)
    .where(eq(buildLogs.buildId, build?.id ?? randomUUID()))
    .orderBy(asc(buildLogs.seq));
  return { build, lines: rows.map(({ seq, stream, line }) => [seq, stream, line]) };
}

it("keeps steps and lines in order, without secrets, and what came of it", async () => {
  const { operation, writer } = open();
  const step = { type: "build.vertex", id: "1", name: "[1/2] RUN make" } as const;
  for (const event of [started, { ...step, status: "started" } as const]) writer.onEvent(event);
  writer.onEvent({ ...step, status: "started" });
  log(writer, "password hunter2");
  writer.onEvent({ ...step, status: "completed" });
  writer.onEvent(finished);
  await writer.close({ state: "succeeded", imageRef: "image:1", revision: "abc" });
  const { build, lines } = await readBuild(operation.id);
  expect(lines).toEqual([
    [1, "step", "[1/2] RUN make started"],
    [2, "stdout", "password ***"],
    [3, "step", "[1/2] RUN make completed"],
  ]);
  expect(build).toMatchObject({
    state: "succeeded",
    logLines: 3,
    truncated: false,
    imageRef: "image:1",
    revision: "abc",
  });
  expect(build?.finishedAt).toBeInstanceOf(Date);
});

it("writes as it goes, and tells followers", async () => {
  const { operation, writer } = open();
  const told = new Promise<string>((resolve) => {
    void store.notifications.subscribe("molecule_build_logs", resolve);
  });
  writer.onEvent(started);
  log(writer, "one");
  const id = await told;
  const { build, lines } = await readBuild(operation.id);
  expect(build).toMatchObject({ id, state: "running" });
  expect(lines).toEqual([[1, "stdout", "one"]]);
  await writer.close({ state: "cancelled" });
  expect((await readBuild(operation.id)).build).toMatchObject({ state: "cancelled" });
});

it("drops what is over the limit, and says so", async () => {
  const few = open({ maxLines: 2 });
  few.writer.onEvent(started);
  log(few.writer, "a", "b", "c");
  await few.writer.close({ state: "failed" });
  expect(await readBuild(few.operation.id)).toMatchObject({
    build: { truncated: true, logLines: 2, state: "failed" },
    lines: [
      [1, "stdout", "a"],
      [2, "stdout", "b"],
    ],
  });
  const small = open({ maxBytes: 8 });
  small.writer.onEvent(started);
  log(small.writer, "12345", "678", "9");
  await small.writer.close({ state: "failed" });
  expect((await readBuild(small.operation.id)).lines).toEqual([[1, "stdout", "12345"]]);
});

it("stores more lines than fit in one batch without a gap", async () => {
  const { operation, writer } = open();
  writer.onEvent(started);
  log(writer, ...Array.from({ length: 1234 }, (_, index) => `line ${index}`));
  writer.onEvent(finished);
  await writer.close({ state: "succeeded" });
  const { build, lines } = await readBuild(operation.id);
  expect(lines.map(([seq]) => seq)).toEqual(Array.from({ length: 1234 }, (_, index) => index + 1));
  expect(build).toMatchObject({ logLines: 1234, state: "succeeded" });
});

it("makes no build of an operation that built nothing", async () => {
  const { operation, writer } = open();
  writer.onEvent({ type: "stage.started", stage: "pull", subject: "langgraph" });
  log(writer, "stray");
  await writer.close({ state: "succeeded" });
  expect((await readBuild(operation.id)).build).toBeUndefined();
});

it("ends the builds that a process left open when it died", async () => {
  const { operation, writer } = open();
  writer.onEvent(started);
  log(writer, "one");
  await new Promise<void>((resolve) => {
    void store.notifications.subscribe("molecule_build_logs", () => resolve());
  });
  await store.db.transaction((tx) => endOpenBuilds(tx, operation.id, "cancelled"));
  expect((await readBuild(operation.id)).build).toMatchObject({ state: "cancelled" });
});
