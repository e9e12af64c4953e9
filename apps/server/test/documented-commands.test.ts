import { skipOrThrow } from "@molecule-ai/testkit";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { workspaces } from "../src/store/schema.js";
import { createOnline, untilStatus } from "./support/fleet.js";
import { startTestServer, type TestServer } from "./support/test-server.js";

const run = promisify(execFile);
const missing = await run("curl", ["--version"]).then(
  () => undefined,
  () => skipOrThrow("curl", "no curl on PATH for the commands of the documentation"),
);

interface Block {
  readonly page: string;
  /** As the comment before it says; undefined when there is none. */
  readonly name: string | undefined;
  readonly commands: string;
}

const BLOCKS: readonly Block[] = ["api.md", "operations.md"].flatMap((page) => {
  const text = readFileSync(join(import.meta.dirname, "../../../docs", page), "utf8");
  const blocks = text.matchAll(/(?:<!-- tested: ([\w-]+) -->\n\n)?^```sh\n([^]*?)^```$/gm);
  return [...blocks].map(([, name, commands = ""]) => ({ page, name, commands }));
});

/** What a block only tells the shell of the reader, and asks nothing of a server. */
const SETTING = /^(?:export \w+=\S+(?: +#.*)?\n)+$/;

const tested = new Map<string, string>();
for (const { name, commands } of BLOCKS) if (name !== undefined) tested.set(name, commands);

it("knows every block of commands, and runs all that do something", () => {
  const unnamed = BLOCKS.filter(
    ({ name, commands }) => name === undefined && !SETTING.test(commands),
  );
  expect(unnamed).toEqual([]);
  expect([...tested.keys()]).toEqual(["hello", "create", "list", "restart", "events", "orphans"]);
});

describe.skipIf(missing !== undefined)("the commands of the documentation", () => {
  let server: TestServer;
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "molecule-docs-"));
    // Each answer on a line of its own.
    await writeFile(join(directory, ".curlrc"), 'write-out = "\\n"\n');
    server = await startTestServer();
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  /** A shell with what the page has its reader set, in a directory of its own. */
  function shell(name: string, extra: Readonly<Record<string, string>> = {}) {
    const commands = tested.get(name);
    if (commands === undefined) throw new Error(`no commands named ${name}`);
    const env = {
      PATH: process.env["PATH"],
      HOME: directory,
      MOLECULE_URL: server.url,
      TOKEN: server.adminToken,
      ADMIN_TOKEN: server.adminToken,
      ...extra,
    };
    return { args: ["-euo", "pipefail", "-c", commands], options: { cwd: directory, env } };
  }

  /** The answers that they print. */
  async function answers(
    name: string,
    extra?: Readonly<Record<string, string>>,
  ): Promise<readonly unknown[]> {
    const { args, options } = shell(name, extra);
    const { stdout } = await run("bash", args, { ...options, maxBuffer: 16 * 1024 ** 2 });
    return stdout
      .split("\n")
      .filter((line) => line !== "")
      .map((line) => JSON.parse(line) as unknown);
  }

  it("list the fleet", async () => {
    const id = await createOnline(server);
    const [list] = (await answers("hello")) as { readonly id: string }[][];
    expect(list?.map((row) => row.id)).toContain(id);
  });

  it("create a workspace, once, and are answered as the page shows", async () => {
    const [created] = (await answers("create")) as [Record<string, unknown>];
    const page = readFileSync(join(import.meta.dirname, "../../../docs/api.md"), "utf8");
    const shown = /^### Create\n[^]*?^```json\n([^]*?)^```$/m.exec(page)?.[1] ?? "";
    const documented = JSON.parse(shown) as Record<string, unknown>;
    expect(Object.keys(created)).toEqual(Object.keys(documented));
    expect(created).toMatchObject({ status: "provisioning", runtime: "langgraph", tier: 2 });
    await untilStatus(server, created["id"] as string, "online");
    expect(await answers("create")).toMatchObject([{ id: created["id"] }]);
  });

  it("read a long list to its end, page by page", async () => {
    const rows = Array.from({ length: 150 }, (_, at) => ({
      id: `00000000-0000-4000-8000-${String(at).padStart(12, "0")}`,
      name: `Agent ${at}`,
      tier: 2,
      status: "failed" as const,
      runtime: "langgraph",
      createdBy: "admin",
    }));
    await server.context.store.db.insert(workspaces).values(rows);
    await createOnline(server);
    const pages = (await answers("list")) as { readonly id: string }[][];
    expect(pages.map((page) => page.length)).toEqual([100, 50]);
    const ids = pages.flat().map(({ id }) => id);
    expect(ids.sort()).toEqual(rows.map(({ id }) => id));
  });

  it("restart a workspace, and upgrade it", async () => {
    const id = await createOnline(server);
    const before = server.host.workspaces.get(id)?.generation ?? 0;
    const [restart, upgrade] = (await answers("restart", { ID: id })) as Record<string, unknown>[];
    expect(restart).toMatchObject({ status: "provisioning", operations: [{}] });
    expect(upgrade).toMatchObject({ status: "provisioning", operations: [{}] });
    await expect
      .poll(() => server.host.workspaces.get(id)?.generation ?? 0)
      .toBeGreaterThan(before);
    await untilStatus(server, id, "online");
  });

  it("follow what happens", async () => {
    const { args, options } = shell("events");
    const reader = spawn("bash", args, { ...options, detached: true });
    const ended = once(reader, "exit");
    let output = "";
    reader.stdout.on("data", (chunk) => (output += String(chunk)));
    try {
      await expect.poll(() => output).not.toBe("");
      const id = await createOnline(server);
      await expect.poll(() => output).toContain("event: WORKSPACE_ONLINE");
      expect(output).toContain(id);
    } finally {
      // The shell and the curl in it.
      if (reader.pid !== undefined) process.kill(-reader.pid, "SIGTERM");
      await ended;
    }
  });

  it("look for orphans without removing any", async () => {
    expect(await answers("orphans")).toMatchObject([{ dry_run: true }]);
  });
});
