import { spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

/** The server as a process of its own, that can be killed. */
export interface ServerProcess extends AsyncDisposable {
  readonly url: string;
  /** Everything it wrote so far. */
  output(): string;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves to its exit code. */
  stop(): Promise<number | null>;
}

const SERVER = fileURLToPath(new URL("../..", import.meta.url));
const BOOT_MS = 90_000;

const FROM_SOURCE = ["--conditions=@molecule-ai/source", "--import", "tsx", "src/bin.ts"];

/**
 * Starts the program, from source unless it is given built, with an environment of its own; resolves
 * once it listens.
 */
export async function startServerProcess(
  env: Readonly<Record<string, string>>,
  program?: string,
): Promise<ServerProcess> {
  const child = spawn(process.execPath, program === undefined ? FROM_SOURCE : [program], {
    cwd: SERVER,
    env: { PATH: process.env["PATH"], HOME: process.env["HOME"], LOG_LEVEL: "info", ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  child.stdout.on("data", (chunk) => (output += String(chunk)));
  child.stderr.on("data", (chunk) => (output += String(chunk)));
  const exit = once(child, "exit") as Promise<[number | null]>;
  let isOver = false;
  void exit.then(() => (isOver = true));
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await exit;
  };
  const deadline = Date.now() + BOOT_MS;
  for (;;) {
    const url = /listening at (http:\/\/127\.0\.0\.1:\d+)/.exec(output)?.[1];
    if (url !== undefined) {
      return {
        url,
        output: () => output,
        kill,
        async stop() {
          child.kill("SIGTERM");
          return (await exit)[0];
        },
        [Symbol.asyncDispose]: kill,
      };
    }
    if (isOver || Date.now() > deadline) {
      await kill();
      throw new Error(`the server does not listen: ${output.slice(-4000)}`);
    }
    await sleep(20);
  }
}
