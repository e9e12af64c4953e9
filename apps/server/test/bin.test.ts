import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SERVER = join(dirname(fileURLToPath(import.meta.url)), "..");

/** The program from source, with an environment of its own. */
function start(env: Readonly<Record<string, string>>): ChildProcess {
  return spawn(
    process.execPath,
    ["--conditions=@molecule-ai/source", "--import", "tsx", "src/bin.ts"],
    {
      cwd: SERVER,
      env: { PATH: process.env["PATH"], ...env },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

async function outputUntil(child: ChildProcess, pattern: RegExp): Promise<RegExpExecArray> {
  let output = "";
  for await (const chunk of child.stdout ?? []) {
    output += String(chunk);
    const match = pattern.exec(output);
    if (match !== null) return match;
  }
  throw new Error(`ended without ${String(pattern)}: ${output}`);
}

it.each(["SIGTERM", "SIGINT"] as const)("says where it listens and ends on %s", async (signal) => {
  const stateDirectory = await mkdtemp(join(tmpdir(), "molecule-server-"));
  const child = start({ PORT: "0", MOLECULE_STATE_DIR: stateDirectory });
  const exit = once(child, "exit");
  try {
    const [, url] = await outputUntil(child, /listening at (http:\/\/127\.0\.0\.1:\d+)/);
    expect((await fetch(`${url}/health`)).status).toBe(200);
    child.kill(signal);
    expect(await exit).toEqual([0, null]);
  } finally {
    child.kill("SIGKILL");
    await rm(stateDirectory, { recursive: true, force: true });
  }
});

it("ends with 1, the code and the hint when a setting is unusable", async () => {
  const child = start({ PORT: "http" });
  let errors = "";
  child.stderr?.on("data", (chunk) => (errors += String(chunk)));
  expect(await once(child, "close")).toEqual([1, null]);
  expect(errors).toContain("ERR_SERVER_CONFIG: Unusable settings: PORT");
  expect(errors).toContain("unset them");
});
