import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { sendJson, startFakeServer, type FakeServer } from "./support/fake-server.js";
import { jsonLines, lastLine, runCli, type CliOptions } from "./support/run-cli.js";

const TOKEN = "token-of-a-test-0123456789";
const WORKSPACE = {
  id: "6f1f6a0e-6c3a-4a53-9d7e-0d7f0e5f7a11",
  name: "helper",
  runtime: "hello",
  tier: 2,
  status: "online",
  url: "http://127.0.0.1:32768",
  created_at: "2026-11-21T10:00:00.000Z",
};

/** One workspace, one token. */
function startServer(): Promise<FakeServer> {
  return startFakeServer((request, response) => {
    if (request.path === "/health") sendJson(response, 200, { status: "ok" });
    else if (request.path === "/ready") {
      sendJson(response, 200, { status: "degraded", parts: { store: "ok", engine: "failed" } });
    } else if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      sendJson(response, 401, { error: "A token is needed.", code: "ERR_UNAUTHENTICATED" });
    } else if (request.path === "/workspaces") sendJson(response, 200, [WORKSPACE]);
    else sendJson(response, 404, { error: "no such route", code: "ERR_ROUTE_NOT_FOUND" });
  });
}

let home: string;
let server: FakeServer;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "cli-server-"));
  server = await startServer();
});
afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await rm(home, { recursive: true, force: true });
});

/** No engine: whoever looks for one finds none. */
const run = (args: readonly string[], options: Partial<CliOptions> = {}) =>
  runCli(args, {
    cwd: home,
    ...options,
    env: { HOME: home, DOCKER_HOST: "unix:///nowhere/docker.sock", ...options.env },
  });
const login = (args: readonly string[] = [], stdin = `${TOKEN}\n`) =>
  run(["login", "--server", server.url, ...args], { stdin });

describe("login", () => {
  it("stores the token the server took, for the commands after it", async () => {
    const done = await login();
    expect(done).toMatchObject({ exitCode: 0, stderr: "" });
    expect(done.stdout).toContain(server.url);
    expect(done.stdout).not.toContain(TOKEN);
    const file = join(home, ".config/molecule-provisioner/tokens.json");
    expect(JSON.parse(await readFile(file, "utf8"))).toEqual({
      version: 1,
      servers: { [server.url]: { token: TOKEN } },
    });
    const listed = await run(["ls", "--server", server.url]);
    expect(listed).toMatchObject({ exitCode: 0, stderr: "" });
    expect(listed.stdout).toMatch(/^ID +NAME +RUNTIME +TIER +STATUS +AGE +URL$/m);
    expect(listed.stdout).toMatch(/^6f1f6a0e-6c3 +helper +hello +2 +online /m);
  });

  it("stores nothing that the server refuses", async () => {
    const done = await login(["--json"], "wrong-token-0123456789");
    expect(done.exitCode).toBe(1);
    expect(lastLine(done)).toMatchObject({ code: "ERR_UNAUTHENTICATED" });
    expect(done.stdout).not.toContain("wrong-token");
    expect((await run(["logout", "--server", server.url])).stdout).toMatch(/^No token/);
  });

  it.each([
    ["", "ERR_CLI_TOKEN_MISSING"],
    ["\n", "ERR_CLI_TOKEN_MISSING"],
    ["two words\n", "ERR_CLI_TOKEN_INVALID"],
    ["short", "ERR_CLI_TOKEN_INVALID"],
    ["x".repeat(9000), "ERR_CLI_FILE_TOO_LARGE"],
  ])("refuses the input %j before it asks the server", async (stdin, code) => {
    const done = await login(["--json"], stdin);
    expect(done.exitCode).toBe(2);
    expect(lastLine(done)).toMatchObject({ code });
    expect(server.seen).toEqual([]);
  });

  it("needs a server, and takes no token from the command line", async () => {
    expect(lastLine(await run(["login", "--json"]))).toMatchObject({ code: "ERR_CLI_USAGE" });
    const inArgv = await run(["login", "--json", "--server", server.url, TOKEN]);
    expect(lastLine(inArgv)).toMatchObject({ code: "ERR_CLI_USAGE" });
  });

  it("is undone by logout", async () => {
    await login();
    const out = await run(["logout", "--json", "--server", server.url]);
    expect(lastLine(out)).toMatchObject({ server: server.url, removed: true });
    const listed = await run(["ls", "--json", "--server", server.url]);
    expect(lastLine(listed)).toMatchObject({ code: "ERR_UNAUTHENTICATED" });
    expect(lastLine(listed)["hint"]).toContain(`login --server ${server.url}`);
  });
});

describe("which server and token", () => {
  it.each([
    [["--server", "URL", "ls", "--json"], {}],
    [["ls", "--json", "--server", "URL"], {}],
    [["--server", "http://127.0.0.1:1", "ls", "--json", "--server", "URL"], {}],
    [["ls", "--json"], { MOLECULE_URL: "URL" }],
    [["ls", "--json", "--server", "URL"], { MOLECULE_URL: "http://127.0.0.1:1" }],
  ])("%j %j", async (args, env) => {
    await writeFile(join(home, "token"), `${TOKEN}\n`);
    const fill = (text: string): string => text.replace("URL", server.url);
    const done = await run(args.map(fill), {
      env: {
        MOLECULE_TOKEN_FILE: "token",
        ...Object.fromEntries(Object.entries(env).map(([key, text]) => [key, fill(text)])),
      },
    });
    expect(lastLine(done)).toMatchObject({
      type: "result",
      workspaces: [
        { id: WORKSPACE.id, name: "helper", status: "online", createdAt: 1795255200000 },
      ],
    });
  });

  it.each([[["--local"]], [["--server", ""]]])("%j means this machine's engine", async (args) => {
    const done = await run(["ls", "--json", ...args], { env: { MOLECULE_URL: server.url } });
    expect(lastLine(done)).toMatchObject({ code: "ERR_ENGINE_UNREACHABLE" });
    expect(server.seen).toEqual([]);
  });

  it("a token file that is named wins, and is never shown", async () => {
    await login();
    await writeFile(join(home, "other"), "another-token-0123456789");
    const done = await run(["ls", "--json", "--server", server.url, "--token-file", "other"]);
    expect(lastLine(done)).toMatchObject({ code: "ERR_UNAUTHENTICATED" });
    expect(server.seen.at(-1)?.headers.authorization).toBe("Bearer another-token-0123456789");
    expect(done.stdout).not.toContain("another-token");
    const missing = await run(["ls", "--json", "--server", server.url, "--token-file", "nowhere"]);
    expect(lastLine(missing)).toMatchObject({ code: "ERR_CLI_FILE_UNREADABLE" });
  });

  it("warns when the token could be read on the way", async () => {
    await writeFile(join(home, "token"), TOKEN);
    const done = await run(
      ["ls", "--json", "--server", "http://molecule.invalid", "--token-file", "token"],
      {},
    );
    expect(jsonLines(done)[0]).toMatchObject({
      type: "warning",
      code: "WARN_SERVER_NOT_ENCRYPTED",
    });
    expect(lastLine(done)).toMatchObject({ code: "ERR_CLI_SERVER_UNREACHABLE" });
  });
});

describe("what a server cannot do", () => {
  it.each([
    [["exec", "helper", "true"]],
    [["sh", "helper"]],
    [["cp", "a", "helper:/b"]],
    [["build", "hello"]],
    [["gc"]],
    [["up", "hello", "--image", "x"]],
    [["up", "hello", "--ref", "v1"]],
    [["up", "hello", "--id", "x"]],
    [["up", "hello", "--offline"]],
    [["up", "hello", "--env", "A=b"]],
    [["up", "hello", "--env-file", "x"]],
    [["up", "hello", "--config-file", "x"]],
    [["up", "hello", "--template", "x"]],
    [["up", "hello", "--auth-token-file", "x"]],
    [["up", "hello", "--platform", "linux/arm64"]],
    [["up", "hello", "--platform-url", "http://x"]],
    [["up", "hello", "--timeout", "5s"]],
    [["restart", "helper", "--timeout", "5s"]],
    [["stop", "helper", "--grace", "5s"]],
    [["rm", "helper", "--grace", "5s"]],
    [["sweep", "--volumes"]],
    [["sweep", "--grace", "1h"]],
  ])("%j is refused by name, and nothing is asked for", async (args) => {
    await login();
    const json = args[0] === "sh" ? [] : ["--json"];
    const [command = "", ...rest] = args;
    const done = await run([command, ...json, "--server", server.url, ...rest]);
    expect(done.exitCode).toBe(2);
    expect(done.stdout + done.stderr).toContain("ERR_CLI_NOT_REMOTE");
    expect(done.stdout + done.stderr).toContain(
      args.find((word) => word.startsWith("--")) ?? command,
    );
    expect(server.seen.every(({ method }) => method === "GET")).toBe(true);
  });

  it("tier 3 has to be meant, and its words stay those of this machine", async () => {
    await login();
    const done = await run(["up", "hello", "--json", "--tier", "3", "--server", server.url]);
    expect(done.exitCode).toBe(3);
    expect(lastLine(done)).toMatchObject({ code: "ERR_CLI_TIER_REFUSED" });
  });

  it("doctor looks at the server instead of this machine", async () => {
    const statuses = async () => {
      const last = lastLine(await run(["doctor", "--json", "--server", server.url]));
      const checks = last["checks"] as readonly { name: string; status: string }[];
      return Object.fromEntries(checks.map(({ name, status }) => [name, status]));
    };
    expect(await statuses()).toEqual({ server: "ok", ready: "warning", token: "failed" });
    await login();
    expect(await statuses()).toEqual({ server: "ok", ready: "warning", token: "ok" });
    await server[Symbol.asyncDispose]();
    expect(await statuses()).toEqual({ server: "failed", ready: "skipped", token: "skipped" });
    server = await startServer();
  });

  it("tiers and plan need neither server nor engine", async () => {
    for (const args of [["tiers"], ["plan", "langgraph"]]) {
      expect((await run([...args, "--server", server.url])).exitCode).toBe(0);
    }
    expect(server.seen).toEqual([]);
  });
});
