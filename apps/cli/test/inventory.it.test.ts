import { findTestEngine } from "@molecule-ai/testkit";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastLine, runCli, type CliRun, type JsonLine } from "./support/run-cli.js";
import { createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();
const DOCKERFILE = "FROM alpine:3.20 AS base\nARG V=1.0\nRUN apk add git=$V\nFROM base\nUSER app\n";

describe("inventory of files", () => {
  let directory = "";
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "inventory-"));
    await writeFile(join(directory, "Dockerfile"), DOCKERFILE);
    await writeFile(join(directory, "binary"), Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2]));
    await writeFile(join(directory, "latin1"), Buffer.from([0x46, 0xe9, 0x0a]));
    await writeFile(join(directory, "huge"), "RUN x\n".repeat(1_800_000));
    await writeFile(join(directory, "large"), "RUN x\n".repeat(300_000));
    await writeFile(join(directory, "cyclic"), "ARG A=$B\nARG B=$A\nFROM $A\n");
  });
  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const cli = (...args: string[]): Promise<CliRun> =>
    runCli(["inventory", ...args], { env: { HOME: directory }, cwd: directory });
  const json = async (...args: string[]): Promise<JsonLine> =>
    lastLine(await cli("--json", ...args));

  it("prints tables, and needs neither engine nor server", async () => {
    const run = await cli("Dockerfile");
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(run.stdout).toMatch(/3 +apk +git +1\.0 +yes, exact-version +- +base +yes/);
    expect(run.stdout).toMatch(/1 +medium +base-unpinned/);
    expect(run.stdout.endsWith("\n")).toBe(true);
  });

  it("takes a directory, a target and build arguments", async () => {
    const line = await json(".", "--target", "base", "--build-arg", "V=2.0");
    expect(line).toMatchObject({
      type: "result",
      inventory: { schemaVersion: 1, target: "base", packages: [{ name: "git", version: "2.0" }] },
    });
  });

  it("prints the inventory as JSON, and as CycloneDX", async () => {
    const plain = await cli("Dockerfile", "--format", "json");
    expect(JSON.parse(plain.stdout)).toMatchObject({ schemaVersion: 1 });
    const cyclonedx = await cli("Dockerfile", "--format", "cyclonedx");
    expect(JSON.parse(cyclonedx.stdout)).toMatchObject({
      bomFormat: "CycloneDX",
      metadata: { component: { name: "Dockerfile" } },
    });
    expect(await json("Dockerfile", "--format", "cyclonedx")).toMatchObject({
      cyclonedx: { specVersion: "1.6" },
    });
  });

  it("ends with 1 when a finding is as severe as asked, or more", async () => {
    expect((await cli("Dockerfile", "--findings-threshold", "high")).exitCode).toBe(0);
    expect((await cli("Dockerfile", "--findings-threshold", "medium")).exitCode).toBe(1);
    expect((await cli("Dockerfile", "--findings-threshold", "low")).exitCode).toBe(1);
  });

  it("reads ARGs that go in a circle to the end", async () => {
    expect(await json("cyclic")).toMatchObject({
      type: "result",
      inventory: { baseImages: [{ pinReason: "unknown" }] },
    });
  });

  it.each([
    [["binary"], 2, "ERR_DOCKERFILE_BINARY"],
    [["latin1"], 2, "ERR_CLI_FILE_UNREADABLE"],
    [["huge"], 2, "ERR_CLI_FILE_TOO_LARGE"],
    [["large"], 2, "ERR_DOCKERFILE_TOO_LARGE"],
    [["./absent"], 2, "ERR_CLI_FILE_UNREADABLE"],
    [[".", "--file", "absent"], 2, "ERR_CLI_FILE_UNREADABLE"],
    [["Dockerfile", "--target", "nope"], 2, "ERR_DOCKERFILE_TARGET"],
    [["Dockerfile", "--build-arg", "NOT_SET"], 2, "ERR_CLI_OPTION_INVALID"],
    [["Dockerfile", "--format", "xml"], 2, "ERR_CLI_OPTION_INVALID"],
    [[], 2, "ERR_CLI_USAGE"],
  ])("refuses %j", async (args, exitCode, code) => {
    const run = await cli("--json", ...args);
    expect(run.exitCode).toBe(exitCode);
    expect(lastLine(run)).toMatchObject({ type: "error", code, hint: expect.any(String) });
  });
});

describe.skipIf(engine.skip !== undefined)("inventory of a runtime", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it("reads the Dockerfile of its template, and builds nothing", async () => {
    const { name, repository } = await world.createRuntime({ Dockerfile: DOCKERFILE });
    const { exitCode, last } = await world.json(["inventory", name]);
    expect(exitCode).toBe(0);
    expect(last).toMatchObject({
      source: { name, revision: await repository.head() },
      inventory: { packages: [{ name: "git" }] },
    });
    expect(await world.images()).toEqual([]);
  });

  it("refuses a runtime that is not on the list", async () => {
    const { exitCode, last } = await world.json(["inventory", "nonsense"]);
    expect([exitCode, last["code"]]).toEqual([4, "ERR_RUNTIME_UNKNOWN"]);
  });
});
