import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runProcess, type ProcessOutcome, type ProcessRun } from "./run-process.js";

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "process-runner-"));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const ENV = { PATH: "/usr/bin:/bin" };

function run(
  command: readonly [string, ...string[]],
  more: Partial<ProcessRun> = {},
): Promise<ProcessOutcome> {
  const [file, ...args] = command;
  const { signal } = new AbortController();
  return runProcess({ file, args, env: ENV, signal, stdoutLimitBytes: 1024 * 1024, ...more });
}
const shell = (script: string, more?: Partial<ProcessRun>): Promise<ProcessOutcome> =>
  run(["sh", "-c", script], more);

describe("a program that is run", () => {
  it("has exited only with code 0, whatever it writes to stderr", async () => {
    const outcome = await shell("echo out; echo noise >&2");
    expect(outcome).toEqual({
      kind: "exited",
      stdout: Buffer.from("out\n"),
      stderr: "noise\n",
    });
  });

  it("has failed with any other code, with all it wrote", async () => {
    expect(await shell("echo out; exit 3")).toEqual({
      kind: "failed",
      status: "exit code 3",
      exitCode: 3,
      stdout: Buffer.from("out\n"),
      stderr: "",
    });
  });

  it("has failed when a signal ended it", async () => {
    expect(await shell("kill -KILL $$")).toMatchObject({
      kind: "failed",
      status: "SIGKILL",
      exitCode: undefined,
    });
  });

  it("is missing when there is no such program, by name or by path", async () => {
    expect(await run(["no-such-program-here"])).toEqual({ kind: "missing" });
    expect(await run(["/no/such/program"])).toEqual({ kind: "missing" });
  });

  it("is looked up in the PATH of its own environment", async () => {
    expect(await run(["sh", "-c", "exit 0"], { env: { PATH: directory } })).toEqual({
      kind: "missing",
    });
  });

  it("has failed when it may not be run", async () => {
    const outcome = await run([directory]);
    expect(outcome).toMatchObject({ kind: "failed", status: "EACCES", exitCode: undefined });
  });

  it("has failed when the directory is missing that it should run in", async () => {
    const outcome = await shell("exit 0", { cwd: join(directory, "nothing") });
    expect(outcome).toMatchObject({ kind: "failed", status: "its directory is missing" });
  });

  it("inherits nothing of our environment", async () => {
    const outcome = await run(["/usr/bin/env"], { env: { ONLY: "this" } });
    expect(outcome).toMatchObject({ kind: "exited", stdout: Buffer.from("ONLY=this\n") });
  });

  it("runs where it is told", async () => {
    const outcome = await shell("pwd", { cwd: directory });
    expect(outcome).toMatchObject({ stdout: Buffer.from(`${directory}\n`) });
  });

  it("gets its arguments as they are, without a shell", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: "binary" }).filter((text) => !text.includes("\0"))),
        async (args) => {
          const script = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
          const outcome = await run([process.execPath, "-e", script, "--", ...args]);
          expect(outcome.kind).toBe("exited");
          if (outcome.kind === "missing") return;
          const wellFormed = args.map((arg) => Buffer.from(arg).toString("utf8"));
          expect(JSON.parse(outcome.stdout.toString())).toEqual(wellFormed);
        },
      ),
      { numRuns: 15 },
    );
  });
});

describe("what a program reads", () => {
  it("is what it is given, and no argument", async () => {
    const outcome = await shell("cat; echo; cat /proc/$$/cmdline", { stdin: "s3cret" });
    if (outcome.kind !== "exited") throw new Error(outcome.kind);
    const [read, commandLine] = outcome.stdout.toString().split("\n");
    expect(read).toBe("s3cret");
    expect(commandLine).not.toContain("s3cret");
  });

  it.each([
    ["bytes", (): Uint8Array => Buffer.from("bytes")],
    ["a stream", (): Readable => Readable.from([Buffer.from("by"), Buffer.from("tes")])],
  ])("may be %s", async (_, stdin) => {
    expect(await run(["cat"], { stdin: stdin() })).toMatchObject({ stdout: Buffer.from("bytes") });
  });

  it("is nothing when nothing is given", async () => {
    expect(await run(["cat"])).toMatchObject({ kind: "exited", stdout: Buffer.alloc(0) });
  });

  it("need not be read to its end", async () => {
    const stdin = Buffer.alloc(4 * 1024 * 1024);
    expect(await shell("exit 0", { stdin })).toMatchObject({ kind: "exited" });
    expect(await shell("exit 4", { stdin })).toMatchObject({ kind: "failed", exitCode: 4 });
  });

  it("never counts as whole when its stream breaks", async () => {
    const stdin = new Readable({ read: () => undefined });
    stdin.push("half of it");
    const running = run(["cat"], { stdin });
    setTimeout(() => stdin.destroy(new Error("the source is gone")), 50);
    await expect(running).rejects.toThrow("the source is gone");
  });
});

describe("what a program writes", () => {
  it("ends it when it is more than may be kept", async () => {
    const startedAt = performance.now();
    const outcome = await run(["yes"], { stdoutLimitBytes: 100_000 });
    expect(outcome).toMatchObject({
      kind: "failed",
      status: "too much output",
      exitCode: undefined,
    });
    if (outcome.kind === "failed") expect(outcome.stdout.length).toBeLessThanOrEqual(100_000);
    expect(performance.now() - startedAt).toBeLessThan(20_000);
  });

  it("may be exactly as much as may be kept", async () => {
    const outcome = await shell("printf 12345", { stdoutLimitBytes: 5 });
    expect(outcome).toMatchObject({ kind: "exited", stdout: Buffer.from("12345") });
  });

  it("is handed on as it comes, without a limit, and then not kept", async () => {
    let length = 0;
    const outcome = await shell("head -c 300000 /dev/zero", {
      stdoutLimitBytes: 10,
      onStdout: (chunk) => (length += chunk.length),
    });
    expect(outcome).toMatchObject({ kind: "exited", stdout: Buffer.alloc(0) });
    expect(length).toBe(300_000);
  });

  it("is kept of stderr at its end only, however much there is", async () => {
    const seen: number[] = [];
    const outcome = await shell("head -c 200000 /dev/zero | tr '\\0' x >&2; printf end >&2", {
      stderrTailBytes: 8,
      onStderr: (chunk) => seen.push(chunk.length),
    });
    expect(outcome).toMatchObject({ kind: "exited", stderr: "xxxxxend" });
    expect(seen.reduce((sum, length) => sum + length, 0)).toBe(200_003);
    const byDefault = await shell("head -c 20000 /dev/zero >&2");
    if (byDefault.kind === "exited") expect(byDefault.stderr.length).toBe(8192);
  });

  it("is noticed, on both streams", async () => {
    let noticed = 0;
    await shell("echo a; sleep 0.1; echo b >&2", { onOutput: () => (noticed += 1) });
    expect(noticed).toBe(2);
  });

  it.each(["onStdout", "onStderr", "onOutput"])(
    "ends it when %s throws, and that is what is thrown",
    async (callback) => {
      const startedAt = performance.now();
      const refuse = (): never => {
        throw new Error("not that");
      };
      const running = shell("echo x; echo x >&2; sleep 30", { [callback]: refuse });
      await expect(running).rejects.toThrow("not that");
      expect(performance.now() - startedAt).toBeLessThan(20_000);
    },
  );
});

describe("an abort", () => {
  it("before the start starts nothing", async () => {
    const signal = AbortSignal.abort(new Error("never"));
    const marker = join(directory, "marker");
    await expect(shell(`: > ${marker}`, { signal })).rejects.toThrow("never");
    expect(existsSync(marker)).toBe(false);
  });

  it("ends the program with everything it has started, and rejects with its reason", async () => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const pids = join(directory, "pids");
    const running = shell(`sleep 60 & echo $! > ${pids}; echo $$ >> ${pids}; wait`, {
      signal: abort.signal,
    });
    const started = await numbersIn(pids, 2);
    abort.abort(reason);
    await expect(running).rejects.toBe(reason);
    for (const pid of started) expect(await isRunning(pid)).toBe(false);
  });

  it("also ends those that heed no SIGTERM and hold no output, before it rejects", async () => {
    const abort = new AbortController();
    const pids = join(directory, "pids");
    const stubborn = `trap "" TERM; echo $$ > ${pids}; while :; do sleep 0.1; done`;
    const running = shell(`sh -c '${stubborn}' >/dev/null 2>&1 & sleep 60`, {
      signal: abort.signal,
    });
    const [pid = 0] = await numbersIn(pids, 1);
    abort.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(await isRunning(pid)).toBe(false);
  });

  it("lets the program put things in order", async () => {
    const abort = new AbortController();
    const ready = join(directory, "ready");
    const tidy = join(directory, "tidy");
    const running = shell(`trap ': > ${tidy}; exit 0' TERM; : > ${ready}; sleep 60 & wait`, {
      signal: abort.signal,
    });
    while (!existsSync(ready)) await sleep(10);
    abort.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
    expect(existsSync(tidy)).toBe(true);
  });

  it("after the end changes nothing", async () => {
    const abort = new AbortController();
    const outcome = await shell("echo done", { signal: abort.signal });
    abort.abort(new Error("too late"));
    expect(outcome.kind).toBe("exited");
  });
});

async function numbersIn(file: string, count: number): Promise<number[]> {
  for (;;) {
    const text = await readFile(file, "utf8").catch(() => "");
    const numbers = text.split("\n").slice(0, -1).map(Number);
    if (numbers.length >= count) return numbers;
    await sleep(10);
  }
}

/** A zombie that nobody has reaped yet is not running. */
async function isRunning(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat !== "" && !/\) Z /.test(stat);
}
