import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  callEngine,
  findCosign,
  findTestEngine,
  findTestRegistry,
  readTestFiles,
  skipOrThrow,
  startTestRegistry,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { programArguments } from "./support/run-cli.js";
import { createWorld, type World } from "./support/world.js";

const ROOT = join(import.meta.dirname, "../../..");
const BASE = "molecule-local/base:bookworm";
const engine = await findTestEngine();
const registryProgram = await findTestRegistry();
const cosign = await findCosign();
const skip = engine.skip ?? registryProgram.skip ?? cosign.skip ?? (await missingBase());

async function missingBase(): Promise<string | undefined> {
  const path = `/images/${BASE}/json`;
  const { status } = await callEngine(engine.socketPath ?? "", { method: "GET", path });
  if (status === 200) return undefined;
  return skipOrThrow("engine", `no base image ${BASE}: npm test and npm run quickstart make it`);
}

const PAGE = readFileSync(join(ROOT, "docs/trust.md"), "utf8");
const blocks = [...PAGE.matchAll(/<!-- tested: ([\w-]+) -->\n\n```sh\n([^]*?)^```$/gm)].map(
  ([, name = "", commands = ""]) => ({ name, commands }),
);

it("runs every block of commands of the page", () => {
  expect(blocks).toHaveLength([...PAGE.matchAll(/^```sh$/gm)].length);
});

describe.skipIf(skip !== undefined)("docs/trust.md, read from top to bottom", () => {
  const auth = { username: "ada", password: "token-of-ada" };
  let world: World;
  let registry: TestRegistry;
  let runtime: string;
  /** What each block printed, by its name. */
  let printed: ReadonlyMap<string, string>;

  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    registry = await startTestRegistry({ auth });
    const { name } = await world.createRuntime(
      await readTestFiles(join(ROOT, "examples/templates/hello")),
    );
    runtime = name;
    const bin = join(world.directory, "bin");
    await mkdir(bin);
    const program = programArguments().join(" ");
    await writeFile(
      join(bin, "molecule-provisioner"),
      `#!/bin/sh\nexec "${process.execPath}" ${program} "$@"\n`,
    );
    await chmod(join(bin, "molecule-provisioner"), 0o755);
    await symlink(cosign.file ?? "", join(bin, "cosign"));
    await mkdir(join(world.directory, ".docker"));
    const login = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    await writeFile(
      join(world.directory, ".docker/config.json"),
      JSON.stringify({ auths: { [registry.host]: { auth: login } } }),
    );
    await writeFile(join(world.directory, "password"), "correct horse battery");
    const script = blocks
      .map(({ name: block, commands }) => `echo "@@ ${block}"\n${commands}`)
      .join("\n")
      .replaceAll(/\bhello\b/g, runtime);
    const { stdout } = await promisify(execFile)("bash", ["-euo", "pipefail", "-c", script], {
      cwd: world.directory,
      maxBuffer: 16 * 1024 ** 2,
      env: {
        ...world.env,
        PATH: `${bin}:${process.env["PATH"] ?? ""}`,
        REGISTRY: registry.host,
      },
    });
    printed = new Map(
      stdout
        .split(/^@@ /m)
        .slice(1)
        .map((text): [string, string] => [text.split("\n", 1)[0] ?? "", text]),
    );
  }, 300_000);
  afterAll(async () => {
    const name = `${registry.host}/team/workspace-template-${runtime}`;
    const { body } = await callEngine(world.socketPath, {
      method: "GET",
      path: `/images/json?filters=${encodeURIComponent(JSON.stringify({ reference: [name] }))}`,
    });
    for (const { RepoTags: tags } of JSON.parse(body.toString()) as { RepoTags: string[] | null }[])
      for (const tag of tags ?? [])
        await callEngine(world.socketPath, { method: "DELETE", path: `/images/${tag}` });
    await registry[Symbol.asyncDispose]();
    await world[Symbol.asyncDispose]();
  });

  it("shows what is in it, also as a bill of materials", async () => {
    expect(printed.get("inventory")).toContain(BASE);
    const bill = await readFile(join(world.directory, `${runtime}.cdx.json`), "utf8");
    expect(JSON.parse(bill)).toMatchObject({ bomFormat: "CycloneDX" });
  });

  it("signs and verifies what was pushed", () => {
    expect(printed.get("sign")).toMatch(/^signed .+@sha256:[0-9a-f]{64}$/m);
    expect(printed.get("verify")).toMatch(/signed by +key cosign\.pub/);
    expect(printed.get("verify")).not.toContain("attested");
  });

  it("attests the provenance that was kept of the build", () => {
    expect(printed.get("attest")).toMatch(
      /attested +https:\/\/slsa\.dev\/provenance\/v1 by key cosign\.pub/,
    );
  });

  it("builds it again, to the byte", () => {
    expect(printed.get("rebuild")).toMatch(/^reproducible/m);
  });

  it("starts it under the policy, and says why it may", () => {
    const why = printed.get("policy") ?? "";
    expect(why).toMatch(/admission +allowed/);
    expect(why).toMatch(/rules that hold +sources, signed, provenance, maxAgeDays/);
    expect(why.match(/^trusted is ready at/gm)).toHaveLength(2);
    expect(why).toContain(`urn:molecule:install:${world.installId}`);
    expect(why).toMatch(/from +molecule-local\/base:bookworm sha256:/);
  });

  it("refuses another image with exit code 3", () => {
    expect(printed.get("refuse")).toContain("exit code 3");
  });
});
