import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { run } from "../process.mjs";

/**
 * @param {string} script
 * @returns {[string, string[]]}
 */
const sh = (script) => ["sh", ["-c", script]];

/**
 * Resolves with the process id a script writes to `file`.
 * @param {string} file
 */
async function pidIn(file) {
  for (;;) {
    const text = await readFile(file, "utf8").catch(() => "");
    if (/^\d+\n/.test(text)) return Number(text);
    await sleep(10);
  }
}

/**
 * Resolves once the process is gone, or a zombie that nobody has collected yet.
 * @param {number} pid
 */
async function gone(pid) {
  for (;;) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => ") Z");
    if (/\) [ZX]/.test(stat)) return;
    await sleep(10);
  }
}

describe("run", () => {
  it("gives the output line by line, the last one also without a newline", async () => {
    /** @type {string[]} */
    const lines = [];
    const onLine = (/** @type {string} */ line) => lines.push(line);
    const { stdout } = await run(...sh("printf 'a\\nb'"), { onLine });
    expect(stdout).toBe("a\nb");
    expect(lines).toEqual(["a", "b"]);
  });

  it("rejects with the command, its exit code and what it said last", async () => {
    const failing = run(...sh("echo out; echo why >&2; exit 7"));
    await expect(failing).rejects.toThrow(/exit code 7[\s\S]*why/);
  });

  it("rejects when the command does not exist", async () => {
    await expect(run("no-such-command-here", [])).rejects.toThrow("ENOENT");
  });

  it.skipIf(process.platform !== "linux")(
    "on abort ends the children of the command too, and rejects with the reason",
    async () => {
      const dir = await mkdtemp(join(tmpdir(), "run-"));
      try {
        const file = join(dir, "pid");
        const controller = new AbortController();
        const running = run(...sh(`sh -c 'trap "" TERM; echo $$ >${file}; sleep 60' & wait`), {
          signal: controller.signal,
          graceMs: 50,
        });
        const pid = await pidIn(file);
        const reason = new Error("enough");
        controller.abort(reason);
        await expect(running).rejects.toBe(reason);
        await gone(pid);
      } finally {
        await rm(dir, { recursive: true, force: true });
      }
    },
  );

  it("lets a command that must not be cut end first, and rejects then", async () => {
    const dir = await mkdtemp(join(tmpdir(), "run-"));
    try {
      const file = join(dir, "pid");
      const controller = new AbortController();
      const running = run(...sh(`echo $$ >${file}; sleep 0.3; echo whole >${file}`), {
        signal: controller.signal,
        untilDone: true,
      });
      await pidIn(file);
      controller.abort(new Error("enough"));
      await expect(running).rejects.toThrow("enough");
      expect(await readFile(file, "utf8")).toBe("whole\n");
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it("starts nothing when the abort came first", async () => {
    const signal = AbortSignal.abort(new Error("too late"));
    await expect(run("no-such-command-here", [], { signal })).rejects.toThrow("too late");
  });
});
