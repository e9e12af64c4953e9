import { findTestPostgres, startTestPostgres } from "@molecule-ai/testkit";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterEach, describe, expect, it } from "vitest";
import { serverConfigFromEnv } from "../src/config.js";
import { serve } from "../src/serve.js";

const run = promisify(execFile);
const DOCS = join(dirname(fileURLToPath(import.meta.url)), "../../../docs");
const ADMIN_TOKEN = "deploy-docs-admin-token";
const SECRET = "a value that must survive";

const directories: string[] = [];

afterEach(async () => {
  for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
});

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-deploy-"));
  directories.push(directory);
  return directory;
}

/** The commands of `docs/deploy.md` below `<!-- tested: name -->`, run as they stand there. */
async function runDocumented(name: string, env: Readonly<Record<string, string>>): Promise<void> {
  const page = await readFile(join(DOCS, "deploy.md"), "utf8");
  const block = page.split(`<!-- tested: ${name} -->`)[1] ?? "";
  const commands = /^\s*```sh\n([\s\S]*?)```/.exec(block)?.[1];
  if (commands === undefined) throw new Error(`docs/deploy.md has no commands named ${name}`);
  await run("bash", ["-euo", "pipefail", "-c", commands], {
    env: { PATH: process.env["PATH"], ...env },
  });
}

/** A server with neither engine nor fixed port. */
function configOf(env: Readonly<Record<string, string>>): ReturnType<typeof serverConfigFromEnv> {
  return serverConfigFromEnv({
    PORT: "0",
    LOG_LEVEL: "silent",
    ADMIN_TOKEN,
    DOCKER_HOST: "unix:///nonexistent/docker.sock",
    ...env,
  });
}

async function ask(url: string, method: string, path: string, body?: object): Promise<unknown> {
  const response = await fetch(url + path, {
    method,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: body === undefined ? null : JSON.stringify(body),
  });
  expect(response.ok, `${method} ${path}: ${response.status}`).toBe(true);
  return response.json();
}

async function fill(url: string): Promise<string> {
  const created = await ask(url, "POST", "/workspaces", { name: "kept", external: true });
  const { id } = created as { readonly id: string };
  await ask(url, "POST", `/workspaces/${id}/secrets`, { key: "MODEL_KEY", value: SECRET });
  return id;
}

async function expectKept(url: string, id: string): Promise<void> {
  expect(await ask(url, "GET", "/workspaces")).toMatchObject([{ id, name: "kept" }]);
  expect(await ask(url, "GET", `/workspaces/${id}/secrets/values`)).toEqual({ MODEL_KEY: SECRET });
}

describe("backup and restore, by the commands of the documentation", async () => {
  it("of an embedded database bring back workspaces and secrets in another directory", async () => {
    const root = await temporaryDirectory();
    const [first, second, backup] = ["first", "second", "backup.tgz"].map((n) => join(root, n));
    if (first === undefined || second === undefined || backup === undefined) throw new Error("no");
    let id: string;
    {
      await using server = await serve(configOf({ MOLECULE_STATE_DIR: first }));
      id = await fill(server.url);
    }
    await runDocumented("embedded-backup", { STATE_DIR: first, BACKUP: backup });
    await rm(first, { recursive: true });
    await runDocumented("embedded-restore", { STATE_DIR: second, BACKUP: backup });
    await using server = await serve(configOf({ MOLECULE_STATE_DIR: second }));
    await expectKept(server.url, id);
  });

  const postgres = await findTestPostgres();
  it.skipIf(postgres.skip !== undefined)(
    `of a PostgreSQL bring them back in another database${postgres.skip === undefined ? "" : `: ${postgres.skip}`}`,
    async () => {
      const root = await temporaryDirectory();
      await using cluster = await startTestPostgres();
      const databaseUrl = await cluster.createDatabase();
      const shared = { SECRETS_ENCRYPTION_KEY: "0".repeat(64), MOLECULE_STATE_DIR: root };
      let id: string;
      {
        await using server = await serve(configOf({ ...shared, DATABASE_URL: databaseUrl }));
        id = await fill(server.url);
        await runDocumented("postgres-backup", {
          DATABASE_URL: databaseUrl,
          BACKUP: join(root, "backup"),
        });
      }
      const restoredUrl = databaseUrl.replace(/\/[^/?]+(\?|$)/, "/restored$1");
      await runDocumented("postgres-restore", {
        MAINTENANCE_URL: databaseUrl,
        RESTORED_URL: restoredUrl,
        BACKUP: join(root, "backup"),
      });
      await using server = await serve(configOf({ ...shared, DATABASE_URL: restoredUrl }));
      await expectKept(server.url, id);
    },
  );
});
