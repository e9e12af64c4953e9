import { findTestEngine, recordSkip } from "@molecule-ai/testkit";
import { execFileSync, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { sendJson, startFakeServer } from "./support/fake-server.js";
import { programArguments } from "./support/run-cli.js";
import { AGENT, createWorld, type World } from "./support/world.js";

const engine = await findTestEngine();

function hasScript(): boolean {
  try {
    return execFileSync("script", ["--version"], { encoding: "utf8" }).includes("util-linux");
  } catch {
    recordSkip("terminal tests are not run: script of util-linux is not installed");
    return false;
  }
}

interface Session {
  readonly exitCode: number | null;
  /** All that appeared on the terminal. */
  readonly screen: string;
}

/** The program on a terminal of 30 rows and 100 columns. */
async function onTerminal(
  world: Pick<World, "env">,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    /** What is typed, each once its `when` has appeared after the one before. */
    readonly type?: readonly { readonly when: RegExp; readonly keys: string }[];
  } = {},
): Promise<Session> {
  const quoted = [process.execPath, ...programArguments(), ...args]
    .map((word) => `'${word}'`)
    .join(" ");
  const child = spawn("script", ["-qec", `stty rows 30 cols 100; exec ${quoted}`, "/dev/null"], {
    env: { ...world.env, TERM: "xterm", SHELL: "/bin/sh", ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  let screen = "";
  let seen = 0;
  const steps = [...(options.type ?? [])];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    screen += text;
    const [step] = steps;
    if (step?.when.test(screen.slice(seen)) !== true) return;
    seen = screen.length;
    steps.shift();
    child.stdin.write(step.keys);
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { exitCode, screen };
}

describe.skipIf(engine.skip !== undefined || !hasScript())("on a terminal", () => {
  let world: World;
  let runtime: string;
  beforeAll(async () => {
    world = await createWorld(engine.socketPath ?? "");
    runtime = (await world.createRuntime(AGENT)).name;
  });
  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  it("up draws one live line, colours, and leaves one line per stage", async () => {
    const { exitCode, screen } = await onTerminal(world, ["up", runtime, "--name", "term"]);
    expect(exitCode, screen).toBe(0);
    expect(screen).toContain("\r\u001b[2K");
    expect(screen).toContain("\u001b[32m✓\u001b[39m build");
    const marked = screen
      .split("✓")
      .slice(1)
      .map((text) => /\w+/.exec(text.slice(5))?.[0]);
    expect(marked).toContain("ready");
    expect(new Set(marked).size).toBe(marked.length);
    expect(screen).toContain("is ready at http://127.0.0.1:");
  });

  it("NO_COLOR takes the colours away", async () => {
    const { screen } = await onTerminal(world, ["ls"], { env: { NO_COLOR: "1" } });
    expect(screen).toContain("term");
    expect(screen).not.toContain("\u001b[");
    expect((await onTerminal(world, ["ls"])).screen).toContain("\u001b[1m");
  });

  it("sh gives a real terminal of our size, and its exit code", async () => {
    const { exitCode, screen } = await onTerminal(world, ["sh", "term"], {
      type: [{ when: /[#$] /, keys: "stty size; test -t 0 && echo a-tty; exit 5\r" }],
    });
    expect(screen).toContain("30 100");
    expect(screen).toContain("a-tty\r");
    expect(exitCode).toBe(5);
  });

  it("Ctrl-C inside sh belongs to the shell, not to us", async () => {
    const { exitCode, screen } = await onTerminal(world, ["sh", "term"], {
      type: [
        { when: /[#$] /, keys: "echo go-$((1 + 1)); sleep 1000\r" },
        { when: /go-2/, keys: "\u0003" },
        { when: /[#$] /, keys: "echo still-$((40 + 2)); exit 6\r" },
      ],
    });
    expect(screen).toContain("still-42");
    expect(exitCode).toBe(6);
  });

  it("logs cannot move the cursor of who reads them", async () => {
    const { name } = await world.createRuntime({
      ...AGENT,
      Dockerfile: [
        "FROM molecule-test/busybox:latest",
        String.raw`ENTRYPOINT ["sh", "-c", "printf 'a\\033[2Jb\\033]0;owned\\007c\\n'; exec httpd -f -p 8000"]`,
        "",
      ].join("\n"),
    });
    await world.json(["up", name, "--name", "evil"]);
    expect((await onTerminal(world, ["logs", "evil"])).screen).toBe("abc\r\n");
    // Into a pipe it goes as it came.
    expect((await world.cli(["logs", "evil"])).stdout).toBe("a\u001b[2Jb\u001b]0;owned\u0007c\n");
  });
});

describe.skipIf(!hasScript())("login on a terminal", () => {
  it("asks for the token, shows nothing of it, and takes corrections", async () => {
    const home = await mkdtemp(join(tmpdir(), "cli-login-"));
    await using server = await startFakeServer((request, response) => {
      const isKnown = request.headers.authorization === "Bearer token-0123456789";
      if (isKnown) sendJson(response, 200, []);
      else sendJson(response, 401, { error: "no", code: "ERR_UNAUTHENTICATED" });
    });
    try {
      const { exitCode, screen } = await onTerminal(
        { env: { HOME: home, PATH: process.env["PATH"] ?? "" } },
        ["login", "--server", server.url],
        {
          type: [{ when: /Token for /, keys: "mistake\u0015token-01234567xx\u007f\u007f89\r" }],
        },
      );
      expect(exitCode, screen).toBe(0);
      expect(screen).toContain("Logged in");
      expect(screen).not.toMatch(/mistake|token-0/);
    } finally {
      await rm(home, { recursive: true, force: true });
    }
  });

  it("ends on Ctrl-C, with the terminal as it was", async () => {
    const { exitCode, screen } = await onTerminal(
      { env: { HOME: "/nowhere", PATH: process.env["PATH"] ?? "" } },
      ["login", "--server", "http://127.0.0.1:1"],
      { type: [{ when: /Token for /, keys: "tok\u0003" }] },
    );
    expect(exitCode, screen).toBe(130);
    expect(screen).toContain("ERR_CLI_INTERRUPTED");
  });
});
