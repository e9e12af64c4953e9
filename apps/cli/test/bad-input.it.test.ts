import {
  buildScratchImage,
  callEngine,
  callEngineJson,
  findTestEngine,
  startFakeRegistry,
  startFaultProxy,
  uniqueName,
  type FaultRule,
  type GiteaFault,
  type RegistryFault,
  type TestFiles,
} from "@molecule-ai/testkit";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { jsonLines, type CliOptions, type JsonLine } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

/** What a person typed, what they get, and that nothing of it stays. */
interface Row {
  readonly name: string;
  readonly args: (world: World, runtime: string) => readonly string[] | Promise<readonly string[]>;
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly template?: TestFiles | undefined;
  readonly gitea?: GiteaFault | undefined;
  readonly exitCode: number;
  readonly code: string | RegExp;
  /** Found somewhere in the error line. */
  readonly says?: RegExp | undefined;
}

const up =
  (...options: string[]) =>
  (_world: World, runtime: string): string[] => ["up", runtime, ...options];

const TYPED: readonly Row[] = [
  {
    name: "an unknown runtime",
    args: () => ["up", "nonsense"],
    exitCode: 4,
    code: "ERR_RUNTIME_UNKNOWN",
  },
  {
    name: "a runtime one letter off",
    args: () => ["up", "langgrap"],
    exitCode: 4,
    code: "ERR_RUNTIME_UNKNOWN",
    says: /langgraph/,
  },
  {
    name: "a runtime with path tricks",
    args: () => ["up", "../../etc/passwd"],
    exitCode: 2,
    code: "ERR_RUNTIME_NAME_INVALID",
  },
  {
    name: "an option that does not exist",
    args: up("--nonsense"),
    exitCode: 2,
    code: "ERR_CLI_USAGE",
  },
  {
    name: "a tier that does not exist",
    args: up("--tier", "7"),
    exitCode: 2,
    code: "ERR_CLI_OPTION_INVALID",
  },
  {
    name: "tier 3 without leave",
    args: up("--tier", "3"),
    exitCode: 3,
    code: "ERR_CLI_TIER_REFUSED",
    says: /--allow-privileged/,
  },
  {
    name: "tier 4 without leave",
    args: up("--tier", "4"),
    exitCode: 3,
    code: "ERR_CLI_TIER_REFUSED",
  },
  {
    name: "a tier above the machine's cap",
    args: up("--tier", "3", "--allow-privileged"),
    env: { MOLECULE_MAX_TIER: "2" },
    exitCode: 3,
    code: "ERR_CLI_TIER_REFUSED",
    says: /MOLECULE_MAX_TIER/,
  },
  {
    name: "a secret on the command line",
    args: up("--secret", "API_KEY=hunter2"),
    exitCode: 2,
    code: "ERR_CLI_SECRET_ON_COMMAND_LINE",
  },
  {
    name: "a secret that is not set",
    args: up("--secret", "NOT_SET_ANYWHERE"),
    exitCode: 2,
    code: "ERR_CLI_SECRET_MISSING",
  },
  {
    name: "an env file that is absent",
    args: up("--env-file", "absent.env"),
    exitCode: 2,
    code: "ERR_CLI_FILE_UNREADABLE",
  },
  {
    name: "a name of environment that is none",
    args: up("--env", "A-B=1"),
    exitCode: 2,
    code: "ERR_CLI_OPTION_INVALID",
  },
  {
    name: "environment with a NUL",
    args: async (world, runtime) => {
      await writeFile(join(world.directory, "nul.env"), "A=x\0y\n");
      return ["up", runtime, "--env-file", "nul.env"];
    },
    exitCode: 2,
    code: "ERR_WORKSPACE_ENV_INVALID",
  },
  {
    name: "reserved environment",
    args: up("--env", "WORKSPACE_ID=mine"),
    exitCode: 2,
    code: "ERR_WORKSPACE_ENV_RESERVED",
  },
  {
    name: "a reserved name as a secret",
    args: up("--secret", "PLATFORM_URL"),
    env: { PLATFORM_URL: "http://evil" },
    exitCode: 2,
    code: "ERR_WORKSPACE_ENV_RESERVED",
  },
  {
    name: "a value of 200 KB",
    args: async (world, runtime) => {
      await writeFile(join(world.directory, "big.env"), `BIG=${"x".repeat(200 * 1024)}\n`);
      return ["up", runtime, "--env-file", "big.env"];
    },
    exitCode: 2,
    code: "ERR_WORKSPACE_ENV_TOO_LARGE",
  },
  {
    name: "a config file with an absolute name",
    args: (_world, runtime) => ["up", runtime, "--config-file", "/etc/x=/etc/hostname"],
    exitCode: 2,
    code: "ERR_WORKSPACE_CONFIG_NAME_INVALID",
  },
  {
    name: "a config file with .. in its name",
    args: (_world, runtime) => ["up", runtime, "--config-file", "../x=/etc/hostname"],
    exitCode: 2,
    code: "ERR_WORKSPACE_CONFIG_NAME_INVALID",
  },
  {
    name: "a config file that is absent",
    args: up("--config-file", "absent.yaml"),
    exitCode: 2,
    code: "ERR_CLI_FILE_UNREADABLE",
  },
  {
    name: "a relative workspace path",
    args: up("--workspace-path", "here"),
    exitCode: 2,
    code: "ERR_HOST_CONFIG_PATH_INVALID",
  },
  {
    name: "a workspace path that is missing",
    args: up("--workspace-path", "/nowhere/at/all"),
    exitCode: 4,
    code: "ERR_WORKSPACE_PATH_NOT_FOUND",
  },
  {
    name: "/ as the workspace",
    args: up("--workspace-path", "/"),
    exitCode: 3,
    code: "ERR_HOST_CONFIG_PATH_FORBIDDEN",
  },
  {
    name: "/etc as the workspace",
    args: up("--workspace-path", "/etc"),
    exitCode: 3,
    code: "ERR_HOST_CONFIG_PATH_FORBIDDEN",
  },
  {
    name: "the engine's socket as the workspace",
    args: up("--workspace-path", "/var/run/docker.sock"),
    exitCode: 3,
    code: "ERR_HOST_CONFIG_PATH_FORBIDDEN",
  },
  {
    name: "read_only without a path",
    args: up("--workspace-access", "read_only"),
    exitCode: 2,
    code: "ERR_HOST_CONFIG_ACCESS_INVALID",
  },
  {
    name: "an id that is none",
    args: up("--id", "../x"),
    exitCode: 2,
    code: "ERR_WORKSPACE_ID_INVALID",
  },
  {
    name: "a name of two lines",
    args: up("--name", "a\nb"),
    exitCode: 2,
    code: "ERR_WORKSPACE_NAME_INVALID",
  },
  {
    name: "an image that is none",
    args: up("--image", "UPPER/Case"),
    exitCode: 2,
    code: "ERR_IMAGE_REFERENCE_INVALID",
  },
  {
    name: "a platform that is none",
    args: up("--platform", "amiga"),
    exitCode: 2,
    code: "ERR_IMAGE_PLATFORM_INVALID",
  },
  {
    name: "a ref with path tricks",
    args: up("--ref", "../../x"),
    exitCode: 2,
    code: /ERR_(RUNTIME_REF|GITEA_REF)_INVALID/,
  },
  {
    name: "a ref that is absent",
    template: AGENT,
    args: up("--ref", "no-such-branch"),
    exitCode: 4,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "a template directory that is absent",
    args: up("--template", "absent"),
    exitCode: 2,
    code: "ERR_WORKSPACE_TEMPLATE_NOT_FOUND",
  },
  {
    name: "offline without an image",
    template: AGENT,
    args: up("--offline"),
    exitCode: 4,
    code: "ERR_LOCAL_BUILD_OFFLINE",
  },
  {
    name: "an install id that is none",
    args: () => ["ls"],
    env: { MOLECULE_INSTALL_ID: "No Good" },
    exitCode: 2,
    code: "ERR_CLI_OPTION_INVALID",
  },
  {
    name: "a registry prefix that is none",
    args: up(),
    env: { MOLECULE_IMAGE_REGISTRY: "https://x/y" },
    exitCode: 2,
    code: "ERR_IMAGE_PREFIX_INVALID",
  },
  {
    name: "an OCI runtime the engine lacks",
    template: AGENT,
    args: up(),
    env: { TIER2_RUNTIME: "no-such-runtime" },
    exitCode: 1,
    code: "ERR_HOST_CONFIG_RUNTIME_MISSING",
  },
  {
    name: "a workspace that does not exist",
    args: () => ["inspect", "nobody"],
    exitCode: 4,
    code: "ERR_CLI_WORKSPACE_NOT_FOUND",
  },
  {
    name: "logs of nobody",
    args: () => ["logs", "nobody"],
    exitCode: 4,
    code: "ERR_CLI_WORKSPACE_NOT_FOUND",
  },
  {
    name: "exec in nobody",
    args: () => ["exec", "nobody", "true"],
    exitCode: 4,
    code: "ERR_CLI_WORKSPACE_NOT_FOUND",
  },
  {
    name: "rm of one that exists and one that does not",
    args: () => ["rm", "nobody", "else"],
    exitCode: 4,
    code: "ERR_CLI_WORKSPACE_NOT_FOUND",
  },
  {
    name: "cp between two places of this machine",
    args: () => ["cp", "a", "b"],
    exitCode: 2,
    code: "ERR_CLI_USAGE",
  },
  {
    name: "cp of what is not there",
    args: () => ["cp", "absent", "w:/x"],
    exitCode: 4,
    code: "ERR_CLI_PATH_NOT_FOUND",
  },
  {
    name: "exec -t without a terminal",
    args: () => ["exec", "-t", "w", "sh"],
    exitCode: 2,
    code: "ERR_CLI_USAGE",
  },
];

const GITEA: readonly Row[] = [
  {
    name: "Gitea down",
    args: up(),
    env: { MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: "http://127.0.0.1:1/a/b-" },
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
    says: /offline/,
  },
  {
    name: "Gitea that never ends its answer",
    gitea: { kind: "stall" },
    args: up(),
    env: { MOLECULE_LOCAL_BUILD_HEAD_TIMEOUT_SECONDS: "1" },
    exitCode: 124,
    code: /ERR_(DEADLINE|LOCAL_BUILD_HEAD)/,
  },
  {
    name: "401 from Gitea",
    gitea: { kind: "status", status: 401 },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
    says: /MOLECULE_GITEA_TOKEN/,
  },
  {
    name: "404 from Gitea",
    gitea: { kind: "status", status: 404 },
    args: up(),
    exitCode: 4,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "500 from Gitea",
    gitea: { kind: "status", status: 500 },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
    says: /500/,
  },
  {
    name: "HTML instead of JSON",
    gitea: { kind: "html" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "a body of 10 MB",
    gitea: { kind: "oversized" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "a redirect to another host",
    gitea: { kind: "redirect" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "a short sha",
    gitea: { kind: "short-sha" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
  {
    name: "a sha that is not hexadecimal",
    gitea: { kind: "non-hex-sha" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_HEAD",
  },
].map((row) => ({ template: AGENT, ...row }) as Row);

const TEMPLATES: readonly Row[] = [
  {
    name: "a template without a Dockerfile",
    template: { "config.yaml": "name: x\n" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_NO_DOCKERFILE",
  },
  {
    name: "a Dockerfile that is a directory",
    template: { "Dockerfile/x": "FROM scratch\n" },
    args: up(),
    exitCode: 1,
    code: "ERR_LOCAL_BUILD_NO_DOCKERFILE",
  },
  {
    name: "a Dockerfile that is a link out of the tree",
    template: { Dockerfile: { symlink: "/etc/passwd" } },
    args: up(),
    exitCode: 1,
    code: /ERR_LOCAL_BUILD_(UNSAFE_TEMPLATE|NO_DOCKERFILE)/,
  },
  {
    name: "a Dockerfile with a syntax error",
    template: { Dockerfile: "FROM molecule-test/busybox:latest\nRUNN x\n" },
    args: up(),
    exitCode: 1,
    code: /ERR_(LOCAL_BUILD_FAILED|BUILD_SYNTAX)/,
    says: /RUNN/,
  },
  {
    name: "a RUN that fails",
    template: { Dockerfile: "FROM molecule-test/busybox:latest\nRUN echo last words && exit 3\n" },
    args: up(),
    exitCode: 1,
    code: /ERR_(LOCAL_BUILD_FAILED|BUILD_FAILED)/,
    says: /last words/,
  },
  {
    name: "a base image that does not exist",
    template: { Dockerfile: "FROM 127.0.0.1:1/no/such:image\n" },
    args: up(),
    exitCode: 1,
    code: /ERR_(LOCAL_BUILD_FAILED|BUILD_BASE_IMAGE)/,
  },
  {
    name: "a port that never opens",
    template: {
      ...AGENT,
      Dockerfile:
        'FROM molecule-test/busybox:latest\nENTRYPOINT ["sh", "-c", "echo waiting; exec sleep 1000"]\n',
    },
    args: up("--timeout", "2s"),
    exitCode: 124,
    code: "ERR_WORKSPACE_NOT_READY",
    says: /waiting/,
  },
  {
    name: "a process that exits with 1",
    template: {
      ...AGENT,
      Dockerfile:
        'FROM molecule-test/busybox:latest\nENTRYPOINT ["sh", "-c", "echo last words >&2; exit 1"]\n',
    },
    args: up(),
    exitCode: 1,
    code: /ERR_WORKSPACE_(EXITED|CRASH_LOOP)/,
    says: /last words/,
  },
  {
    name: "a process that crashes again and again",
    template: {
      ...AGENT,
      Dockerfile:
        'FROM molecule-test/busybox:latest\nENTRYPOINT ["sh", "-c", "sleep 0.3; echo boom; exit 9"]\n',
    },
    args: up(),
    exitCode: 1,
    code: /ERR_WORKSPACE_(EXITED|CRASH_LOOP)/,
    says: /boom/,
  },
];

const REGISTRY: readonly (readonly [RegistryFault, number])[] = [
  ["unauthorized", 1],
  ["forbidden", 1],
  ["not-found", 4],
  ["rate-limited", 1],
  ["server-error", 1],
  ["wrong-digest", 1],
];

const ENGINE: readonly {
  readonly name: string;
  readonly rule: FaultRule;
  readonly code: string | RegExp;
}[] = [
  {
    name: "the engine dies while it builds",
    rule: { method: "POST", path: /\/build\?/, fault: { kind: "eof", bytes: 200 } },
    code: /ERR_(LOCAL_BUILD_FAILED|BUILD_|ENGINE_)/,
  },
  {
    name: "the engine dies before it creates",
    rule: { method: "POST", path: /\/containers\/create/, fault: { kind: "drop-request" } },
    code: /ERR_(ENGINE|WORKSPACE_CREATE_FAILED)/,
  },
  {
    name: "the engine dies after it created",
    rule: {
      method: "POST",
      path: /\/containers\/create/,
      times: 1,
      fault: { kind: "drop-answer" },
    },
    code: /ERR_(ENGINE|WORKSPACE_CREATE_FAILED)/,
  },
  {
    name: "the disk is full",
    rule: {
      method: "POST",
      path: /\/containers\/create/,
      fault: { kind: "answer", status: 500, body: { message: "no space left on device" } },
    },
    code: /ERR_(ENGINE_SERVER|WORKSPACE_CREATE_FAILED)/,
  },
  {
    name: "a start that is refused",
    rule: {
      method: "POST",
      path: /\/containers\/[^/]+\/start/,
      fault: { kind: "answer", status: 500, body: { message: "nope" } },
    },
    code: /ERR_(ENGINE_SERVER|WORKSPACE_START_FAILED)/,
  },
];

describe.skipIf(engine.skip !== undefined)("bad input", () => {
  let world: World;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  async function expectFailure(
    args: readonly string[],
    row: Pick<Row, "exitCode" | "code" | "says" | "env">,
    options: Partial<CliOptions> = {},
  ): Promise<JsonLine> {
    const { exitCode, last, run } = await world.json(args, {
      ...options,
      env: { ...row.env, ...options.env },
    });
    const shown = JSON.stringify(last, null, 2);
    expect(last.type, shown).toBe("error");
    if (typeof row.code === "string") expect(last["code"], shown).toBe(row.code);
    else expect(last["code"], shown).toMatch(row.code);
    expect(exitCode, shown).toBe(row.exitCode);
    expect(last["exitCode"]).toBe(row.exitCode);
    expect(typeof last["message"]).toBe("string");
    expect(last["hint"], shown).toEqual(expect.any(String));
    if (row.says !== undefined) expect(shown).toMatch(row.says);
    expect(run.stdout).not.toContain("hunter2");
    expect(run.stderr).toBe("");
    expect(await world.leftovers()).toEqual([]);
    return last;
  }

  it.each([...TYPED, ...GITEA, ...TEMPLATES])("$name", async (row) => {
    const { name } = await world.createRuntime(row.template ?? AGENT);
    world.gitea.setFault(row.gitea);
    try {
      await expectFailure(await row.args(world, name), row);
      // A credential must not follow a redirect.
      expect(world.gitea.strayRequests).toEqual([]);
    } finally {
      world.gitea.setFault(undefined);
    }
  });

  it.each(REGISTRY)("a registry that says %s", async (fault, exitCode) => {
    await using registry = await startFakeRegistry({ fault });
    const { name } = await world.createRuntime(AGENT);
    await expectFailure(
      ["up", name],
      { exitCode, code: /ERR_(IMAGE_PULL_FAILED|PULL_)/ },
      { env: { MOLECULE_IMAGE_REGISTRY: `${registry.host}/org` } },
    );
  });

  it.each(ENGINE)("$name", async ({ rule, code }) => {
    await using proxy = await startFaultProxy({ socketPath: world.socketPath });
    const { name } = await world.createRuntime(AGENT);
    proxy.add(rule);
    await expectFailure(
      ["up", name],
      { exitCode: 1, code },
      { env: { DOCKER_HOST: proxy.dockerHost } },
    );
    expect(proxy.requests.some(({ fault }) => fault !== undefined)).toBe(true);
  });

  it("no engine at all", async () => {
    await expectFailure(
      ["up", "langgraph"],
      { exitCode: 1, code: "ERR_ENGINE_UNREACHABLE", says: /DOCKER_HOST/ },
      { env: { DOCKER_HOST: "unix:///nowhere/docker.sock" } },
    );
  });

  it.skipIf(process.getuid?.() !== 0)("a socket that is not ours to open", async () => {
    await expectFailure(
      ["ls"],
      { exitCode: 1, code: "ERR_ENGINE_PERMISSION", says: /docker group/ },
      { uid: 65_534, cwd: "/", env: { HOME: "/nonexistent" } },
    );
  });

  it("a container of somebody else that has the name", async () => {
    const { name } = await world.createRuntime(AGENT);
    const id = uniqueName("foreign").slice(0, 12);
    const { Id } = await callEngineJson<{ Id: string }>(world.socketPath, {
      method: "POST",
      path: `/containers/create?name=ws-${id}`,
      body: { Image: "molecule-test/busybox:latest", Cmd: ["true"] },
    });
    try {
      await expectFailure(["up", name, "--id", id], {
        exitCode: 1,
        code: "ERR_WORKSPACE_NAME_TAKEN",
      });
      const inspected = await callEngine(world.socketPath, {
        method: "GET",
        path: `/containers/${Id}/json`,
      });
      expect(inspected.status).toBe(200);
    } finally {
      await callEngine(world.socketPath, { method: "DELETE", path: `/containers/${Id}?force=1` });
    }
  });

  it("git missing: the commit comes as an archive", async () => {
    const { name } = await world.createRuntime(AGENT);
    const { exitCode, last } = await world.json(["build", name], {
      env: { MOLECULE_GIT_PATH: "/nowhere/git" },
    });
    expect(exitCode).toBe(0);
    expect(last).toMatchObject({ type: "result", image: { outcome: "built" } });
  });

  it("HEAD moving between lookup and checkout: what was looked up is built", async () => {
    const { name, repository } = await world.createRuntime({ ...AGENT, marker: "before\n" });
    const looked = await repository.resolve("main");
    world.gitea.setFault({ kind: "moving-head", files: { marker: "after\n" } });
    const { last } = await world.json(["build", name]);
    expect(last).toMatchObject({ image: { revision: looked } });
    expect(await repository.resolve("main")).not.toBe(looked);
  });

  it("two ups of the same id at once: one workspace, one clear error", async () => {
    const { name } = await world.createRuntime(AGENT);
    const id = uniqueName("race");
    const both = await Promise.all([
      world.json(["up", name, "--id", id]),
      world.json(["up", name, "--id", id]),
    ]);
    expect(new Set(both.map(({ exitCode }) => exitCode))).toEqual(new Set([0, 1]));
    const loser = both.find(({ exitCode }) => exitCode === 1)?.last;
    expect(loser?.["code"]).toMatch(/^ERR_WORKSPACE_(EXISTS|BUSY|NAME_TAKEN)$/);
    const { last } = await world.json(["ls"]);
    expect(last["workspaces"]).toEqual([expect.objectContaining({ id, status: "running" })]);
    expect((await world.cli(["rm", id])).exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("a name that two workspaces have", async () => {
    const { name } = await world.createRuntime(AGENT);
    const ids = ["twin-one", "twin-two"].map(uniqueName);
    for (const id of ids) await world.json(["up", name, "--id", id, "--name", "twin"]);
    const { exitCode, last } = await world.json(["stop", "twin"]);
    expect(exitCode).toBe(2);
    expect(last).toMatchObject({ code: "ERR_CLI_WORKSPACE_AMBIGUOUS" });
    for (const id of ids) expect(JSON.stringify(last)).toContain(id);
    expect((await world.cli(["rm", ...ids])).exitCode).toBe(0);
    expect(await world.leftovers()).toEqual([]);
  });

  it("a pulled image without config.yaml gets a default one, and plan says so", async () => {
    const ref = `molecule-test/${uniqueName("plain")}:1`;
    await buildScratchImage({
      socketPath: world.socketPath,
      ref,
      entrypoint: ["sh", "-c", "exec httpd -f -p 8000 -h /configs"],
    });
    try {
      const args = ["langgraph", "--image", ref, "--offline", "--id", uniqueName("plain")];
      const planned = await world.json(["plan", ...args]);
      expect(JSON.stringify(planned.last["notes"])).toContain("default one");
      const { last, run } = await world.json(["up", ...args]);
      expect(last, run.stdout).toMatchObject({ type: "result", ready: true });
      const config = await fetch(`${String(last["url"])}/config.yaml`);
      expect(await config.text()).toContain("runtime: langgraph");
      await world.cli(["rm", String(last["id"])]);
    } finally {
      await callEngine(world.socketPath, { method: "DELETE", path: `/images/${ref}` });
    }
  });

  it("says all of it to people too, on stderr alone", async () => {
    const { name } = await world.createRuntime({
      Dockerfile: "FROM molecule-test/busybox:latest\nRUN echo last words && exit 3\n",
    });
    const run = await world.cli(["up", name]);
    expect(run.exitCode).toBe(1);
    expect(run.stdout).toBe("");
    expect(run.stderr).toMatch(/^error .*\(ERR_\w+\)$/m);
    expect(run.stderr).toContain("| last words");
    expect(run.stderr).toMatch(/^ {2}hint/m);
    expect(run.stderr).not.toContain("\u001b");
    expect(jsonLines(await world.cli(["up", name, "--json"])).at(-1)?.type).toBe("error");
  });
});
