import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { makeStateDirectory } from "./support/state-directory.js";

const SERVER = join(import.meta.dirname, "..");
const TOKEN = /^Administrator token, shown only this once: ([A-Za-z0-9_-]{43})$/m;

let stateDirectory: string;
beforeEach(async () => {
  stateDirectory = await makeStateDirectory();
  return () => rm(stateDirectory, { recursive: true, force: true });
});

interface Run extends AsyncDisposable {
  readonly child: ChildProcess;
  output(): string;
}

function start(args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Run {
  const child = spawn(
    process.execPath,
    ["--conditions=@molecule-ai/source", "--import", "tsx", "src/bin.ts", ...args],
    {
      cwd: SERVER,
      env: { PATH: process.env["PATH"], PORT: "0", MOLECULE_STATE_DIR: stateDirectory, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  return {
    child,
    output: () => output,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, "exit");
      child.kill("SIGTERM");
      await exit;
    },
  };
}

async function listening(run: Run): Promise<string> {
  await expect.poll(() => run.output(), { timeout: 30_000 }).toMatch(/listening at http/);
  return /listening at (http:\/\/[\d.:]+)/.exec(run.output())?.[1] ?? "";
}

async function statusWith(url: string, token: string | undefined): Promise<number> {
  const response = await fetch(`${url}/workspaces/00000000-0000-4000-8000-000000000000/tokens`, {
    headers: { authorization: `Bearer ${token}` },
  });
  await response.body?.cancel();
  return response.status;
}

it("is told at the first boot in a line of its own, never again, and is nowhere in the state", async () => {
  let token: string | undefined;
  {
    await using first = start();
    const url = await listening(first);
    token = TOKEN.exec(first.output())?.[1];
    expect(token).toBeDefined();
    expect(await statusWith(url, token)).toBe(404);
    expect(await statusWith(url, [...(token ?? "")].reverse().join(""))).toBe(401);
    const log = first.output().replace(TOKEN, "");
    expect(log).not.toContain(token);
  }
  const files = await readdir(stateDirectory, { recursive: true, withFileTypes: true });
  for (const file of files.filter((entry) => entry.isFile())) {
    const bytes = await readFile(join(file.parentPath, file.name));
    expect(bytes.includes(token ?? "")).toBe(false);
  }
  await using second = start();
  const url = await listening(second);
  expect(second.output()).not.toMatch(TOKEN);
  expect(await statusWith(url, token)).toBe(404);
});

it("is replaced by admin-token --rotate, which waits for no server on the same directory", async () => {
  let lost: string | undefined;
  {
    await using server = start();
    await listening(server);
    lost = TOKEN.exec(server.output())?.[1];
    await using refused = start(["admin-token", "--rotate"]);
    expect(await once(refused.child, "close")).toEqual([1, null]);
    expect(refused.output()).toContain("ERR_STORE_IN_USE");
  }
  await using rotation = start(["admin-token", "--rotate"]);
  expect(await once(rotation.child, "close")).toEqual([0, null]);
  const token = TOKEN.exec(rotation.output())?.[1];
  await using server = start();
  const url = await listening(server);
  expect(await statusWith(url, token)).toBe(404);
  expect(await statusWith(url, lost)).toBe(401);
  expect(server.output()).not.toMatch(TOKEN);
});

it("of ADMIN_TOKEN is neither told nor stored", async () => {
  const env = { ADMIN_TOKEN: "a-token-of-the-environment" };
  await using server = start([], env);
  const url = await listening(server);
  expect(await statusWith(url, env.ADMIN_TOKEN)).toBe(404);
  expect(server.output()).not.toMatch(TOKEN);
  expect(server.output()).not.toContain(env.ADMIN_TOKEN);
});

it("is not touched by a command that does not exist", async () => {
  await using run = start(["serve"]);
  expect(await once(run.child, "close")).toEqual([1, null]);
  expect(run.output()).toContain("molecule-server admin-token --rotate");
  expect(await readdir(stateDirectory)).toEqual(["database"]);
});
