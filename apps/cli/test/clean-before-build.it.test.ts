import {
  callEngine,
  findSecondEngine,
  startSecondEngine,
  type SecondEngine,
} from "@molecule-ai/testkit";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lastLine, runCli } from "./support/run-cli.js";

const second = await findSecondEngine();

/** Everything on an engine may go here, so it is one of its own, with a small disk. */
describe.skipIf(second.skip !== undefined)("a clean-up before a build", () => {
  let engine: SecondEngine;
  let directory: string;

  beforeAll(async () => {
    engine = await startSecondEngine({ sizeMb: 256 });
    directory = await mkdtemp(join(tmpdir(), "cli-clean-"));
    // Two names for files that differ: what had the first one before is left without a name.
    await build("old", "1");
    await build("old", "2");
    await build("kept", "3");
    await build("other", "4");
    await sleep(1100);
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  async function build(
    name: string,
    content: string,
    env: Readonly<Record<string, string>> = {},
  ): Promise<Record<string, unknown>> {
    const context = join(directory, name);
    await mkdir(context, { recursive: true });
    await writeFile(join(context, "content"), content);
    await writeFile(join(context, "Dockerfile"), "FROM scratch\nCOPY content /\n");
    const done = await runCli(["image", "build", name, "-t", `clean/${name}:1`, "--json"], {
      cwd: directory,
      env: {
        PATH: process.env["PATH"] ?? "",
        HOME: directory,
        DOCKER_HOST: engine.dockerHost,
        ...env,
      },
    });
    return lastLine(done);
  }

  async function images(): Promise<string[]> {
    const answer = await callEngine(engine.socketPath, { method: "GET", path: "/images/json" });
    const found = JSON.parse(answer.body.toString()) as { RepoTags: string[] | null }[];
    return found.map(({ RepoTags }) => RepoTags?.[0] ?? "<none>:<none>").sort();
  }

  it("removes nothing while more of the disk is free than is asked for", async () => {
    const before = await images();
    expect(before).toEqual(["<none>:<none>", "clean/kept:1", "clean/old:1", "clean/other:1"]);
    const env = { MOLECULE_CLEANUP: "on", MOLECULE_CLEANUP_OLDER_THAN: "1s" };
    const last = await build("kept", "3", { ...env, MOLECULE_CLEANUP_MIN_FREE: "1MB" });
    expect(last).toMatchObject({ type: "result" });
    expect(await images()).toEqual(before);
  });

  it("removes what is old enough once less is free, but for what is protected, and builds", async () => {
    const last = await build("new", "5", {
      MOLECULE_CLEANUP: "on",
      MOLECULE_CLEANUP_OLDER_THAN: "1s",
      MOLECULE_CLEANUP_MIN_FREE: "1GB",
      MOLECULE_CLEANUP_PROTECT: "clean/kept",
    });
    expect(last).toMatchObject({ type: "result", image: { tags: ["clean/new:1"] } });
    expect(await images()).toEqual(["clean/kept:1", "clean/new:1"]);
  });
});
