import { execFile, execFileSync } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { recordSkip } from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createProgram, PROGRAM_NAME } from "../program.js";
import { bashScript } from "./bash.js";
import { fishScript } from "./fish.js";
import { readGlobalOptions, readShape } from "./shape.js";
import { zshScript } from "./zsh.js";

const program = createProgram({
  writers: { stdout: () => undefined, stderr: () => undefined },
  colour: false,
  run: () => Promise.resolve(),
});
const shape = readShape(program);
const globals = readGlobalOptions(program);

function has(shell: string): boolean {
  try {
    execFileSync(shell, ["-c", "true"], { stdio: "ignore" });
    return true;
  } catch {
    recordSkip(`completion for ${shell} is not run: ${shell} is not installed`);
    return false;
  }
}

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "cli-completion-"));
  // In the place of the program: it knows two workspaces and two runtimes.
  const fake = join(directory, PROGRAM_NAME);
  await writeFile(
    fake,
    `#!/bin/sh
case "$1 $2" in
  "__complete workspaces") printf 'helper\\nmy helper\\nother\\n' ;;
  "__complete runtimes") printf 'hello\\nlanggraph\\n' ;;
esac
`,
  );
  await chmod(fake, 0o755);
});
afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

async function run(shell: string, script: string): Promise<string[]> {
  const { stdout } = await promisify(execFile)(shell, ["-c", script], {
    env: { PATH: `${directory}:${process.env["PATH"] ?? ""}`, HOME: directory },
    cwd: directory,
  });
  return stdout.split("\n").filter((line) => line !== "");
}

describe("the shape of the grammar", () => {
  it("has every command that is not hidden, and knows what its operands are", () => {
    expect(shape.map(({ name }) => name)).toContain("up");
    expect(shape.map(({ name }) => name)).not.toContain("__complete");
    const operands = Object.fromEntries(shape.map(({ name, operand }) => [name, operand]));
    expect(operands).toMatchObject({
      up: "runtimes",
      plan: "runtimes",
      build: "runtimes",
      rm: "workspaces",
      exec: "workspaces",
      cp: "paths",
      completion: "shells",
      ls: "none",
      image: "none",
      "image build": "directories",
      "image cache ls": "none",
      why: "workspaces",
      rebuild: "paths",
      "trust verify": "none",
    });
  });
});

describe.skipIf(!has("bash"))("bash", () => {
  /** What the function offers for these words; the last one is being typed. */
  const complete = (...words: string[]): Promise<string[]> =>
    run(
      "bash",
      `${bashScript(PROGRAM_NAME, shape, globals)}
COMP_WORDS=(${[PROGRAM_NAME, ...words].map((word) => `'${word}'`).join(" ")})
COMP_CWORD=${words.length}
_molecule_provisioner
printf '%s\\n' "\${COMPREPLY[@]}"`,
    );

  it("is accepted by the shell", async () => {
    const path = join(directory, "completion.bash");
    await writeFile(path, bashScript(PROGRAM_NAME, shape, globals));
    await promisify(execFile)("bash", ["-n", path]);
  });
  it("offers commands", async () => {
    expect(await complete("res")).toEqual(["restart"]);
    expect(await complete("")).toEqual(expect.arrayContaining(["up", "ls", "doctor", "--version"]));
  });
  it("offers options of the command", async () => {
    expect(await complete("up", "--work")).toEqual(["--workspace-path", "--workspace-access"]);
    expect(await complete("ls", "--")).toEqual([
      "--quiet",
      "--json",
      "--server",
      "--token-file",
      "--local",
      "--help",
    ]);
  });
  it("knows a server before the command from the command", async () => {
    expect(await complete("--ser")).toEqual(["--server"]);
    expect(await complete("--server", "")).toEqual([]);
    expect(await complete("--server", "http://x", "res")).toEqual(["restart"]);
    expect(await complete("--local", "rm", "o")).toEqual(["other"]);
  });
  it("offers live workspaces, quoted, and runtimes", async () => {
    expect(await complete("rm", "")).toEqual(["helper", "my\\ helper", "other"]);
    expect(await complete("rm", "helper", "o")).toEqual(["other"]);
    expect(await complete("inspect", "--json", "he")).toEqual(["helper"]);
    expect(await complete("up", "--tier", "2", "la")).toEqual(["langgraph"]);
    expect(await complete("cp", "hel")).toEqual(["helper:"]);
    expect(await complete("completion", "")).toEqual(["bash", "zsh", "fish"]);
  });
  it("offers the words of a group, and behind them what belongs to them", async () => {
    expect(await complete("image", "b")).toEqual(["build", "builder"]);
    expect(await complete("image", "cache", "")).toEqual(["ls", "prune"]);
    expect(await complete("image", "cache", "prune", "--max-a")).toEqual(["--max-age"]);
    expect(await complete("--local", "image", "builder", "r")).toEqual(["rm"]);
    expect(await complete("image", "build", "--tag", "")).toEqual([]);
    // Not those of the command of the same name outside the group.
    expect(await complete("image", "build", "--of")).toEqual([]);
    expect(await complete("build", "--of")).toEqual(["--offline"]);
  });
  it("offers nothing of ours for values, later operands and the program inside", async () => {
    expect(await complete("up", "--env-file", "")).toEqual([]);
    expect(await complete("inspect", "helper", "")).toEqual([]);
    expect(await complete("exec", "helper", "--", "")).toEqual([]);
    expect(await complete("ls", "x")).toEqual([]);
  });
});

describe.skipIf(!has("zsh"))("zsh", () => {
  it("is accepted by the shell", async () => {
    const path = join(directory, "completion.zsh");
    await writeFile(path, zshScript(PROGRAM_NAME, shape, globals));
    await promisify(execFile)("zsh", ["-n", path]);
    expect(
      await run("zsh", `autoload -U compinit && compinit -u && source ${path} && echo loaded`),
    ).toEqual(["loaded"]);
  });
});

describe.skipIf(!has("fish"))("fish", () => {
  const complete = (line: string): Promise<string[]> =>
    run(
      "fish",
      `${fishScript(PROGRAM_NAME, shape, globals)}\ncomplete -C '${PROGRAM_NAME} ${line}'`,
    );

  it("offers commands, options, workspaces and runtimes", async () => {
    expect((await complete("rest")).join()).toContain("restart");
    expect((await complete("rm ")).join()).toContain("my helper");
    expect((await complete("up lang")).join()).toContain("langgraph");
    expect((await complete("up --work")).join()).toContain("--workspace-path");
    expect((await complete("image ca")).join()).toContain("cache");
    expect((await complete("image cache pr")).join()).toContain("prune");
    expect((await complete("image cache prune --max-a")).join()).toContain("--max-age");
    expect((await complete("image build --of")).join()).not.toContain("--offline");
  });
});
