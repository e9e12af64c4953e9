import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  busyboxImage,
  callEngine,
  findBuildx,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programArguments } from "./support/run-cli.js";

const run = promisify(execFile);
const engine = await findTestEngine();
const registryProgram = await findTestRegistry();
const buildx = await findBuildx();
const skip = engine.skip ?? registryProgram.skip ?? buildx.skip;

const PAGE = readFileSync(join(import.meta.dirname, "../../../docs/building.md"), "utf8");
const blocks = new Map(
  [...PAGE.matchAll(/<!-- tested: ([\w-]+) -->\n\n```sh\n([^]*?)^```$/gm)].map(
    ([, name = "", commands = ""]) => [name, commands],
  ),
);

it("knows every block of commands of the page", () => {
  expect([...blocks.keys()]).toEqual(["first", "explain", "secret", "publish", "cache", "gc"]);
});

describe.skipIf(skip !== undefined)("docs/building.md", () => {
  const auth = { username: "ada", password: "token-of-ada" };
  let registry: TestRegistry;
  let directory: string;

  beforeAll(async () => {
    const base = await busyboxImage(engine.socketPath ?? "");
    registry = await startTestRegistry({ auth });
    directory = await mkdtemp(join(tmpdir(), "molecule-building-"));
    const dockerfile = async (name: string, text: string): Promise<void> => {
      await mkdir(join(directory, name));
      await writeFile(join(directory, name, "Dockerfile"), text);
    };
    await dockerfile("agent", `FROM ${base}\nRUN echo hello > /hello\n`);
    await dockerfile(
      "with-secret",
      `FROM ${base}\nRUN --mount=type=secret,id=token grep -q s3cret-value /run/secrets/token\n`,
    );
    await writeFile(join(directory, "token"), "s3cret-value");
    const program = programArguments().join(" ");
    await writeFile(
      join(directory, "mp"),
      `#!/bin/sh\nexec "${process.execPath}" ${program} "$@"\n`,
    );
    await chmod(join(directory, "mp"), 0o755);
  });
  afterAll(async () => {
    for (const name of ["team/agent:1", "team/agent:2", "production/agent:1"]) {
      const path = `/images/${registry.host}/${name}`;
      await callEngine(engine.socketPath ?? "", { method: "DELETE", path });
    }
    await callEngine(engine.socketPath ?? "", { method: "DELETE", path: "/images/agent:cached" });
    await registry[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  /** What the block of that name prints, after the blocks it builds on. */
  async function output(...names: readonly string[]): Promise<string> {
    const commands = names.map((name) => blocks.get(name) ?? "exit 9").join("\n");
    const { stdout } = await run("bash", ["-euo", "pipefail", "-c", commands], {
      cwd: directory,
      maxBuffer: 16 * 1024 ** 2,
      env: {
        PATH: `${directory}:${process.env["PATH"] ?? ""}`,
        HOME: directory,
        DOCKER_HOST: engine.dockerHost,
        MOLECULE_BUILDX_PATH: buildx.file,
        REGISTRY: registry.host,
        REGISTRY_USER: auth.username,
        REGISTRY_TOKEN: auth.password,
      },
    });
    return stdout;
  }

  it("builds a first image", async () => {
    expect(await output("first")).toContain(`${registry.host}/team/agent:1`);
  });

  it("explains which builder a build gets, and what none can do here", async () => {
    expect(await output("explain")).toMatch(/engine/);
  });

  it("gives a secret to one step and to nobody else", async () => {
    expect(await output("secret")).not.toContain("s3cret-value");
  });

  it("logs in, pushes, tells the digest and promotes it unchanged", async () => {
    const digests = (await output("first", "publish")).match(/sha256:[0-9a-f]{64}/g) ?? [];
    expect(digests.length).toBeGreaterThanOrEqual(3);
    expect(new Set(digests.slice(-3)).size).toBe(1);
  });

  it("shares a cache through the registry, lists it and says what would go", async () => {
    const [credentials = ""] = (blocks.get("publish") ?? "").split("\n");
    blocks.set("credentials", credentials);
    expect(await output("credentials", "cache")).toContain("team/cache");
  });

  it("says what could be removed, and removes only what was asked for", async () => {
    expect(await output("gc")).not.toBe("");
  });
});
