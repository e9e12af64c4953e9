import { spawn, type ChildProcess } from "node:child_process";
import { inject } from "vitest";

/**
 * What it takes to start the program: the file `global-setup.ts` made. Without `--` Node 20 looks for
 * an `--env-file` of its own among the program's arguments and ends when that file is absent.
 */
export function programArguments(): readonly string[] {
  return ["--", inject("program")];
}

export type JsonLine = { readonly type: string } & Readonly<Record<string, unknown>>;

export interface CliRun {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  readonly env: Readonly<Record<string, string>>;
  readonly cwd?: string | undefined;
  readonly stdin?: string | undefined;
  /** Run as this user; only root can. */
  readonly uid?: number | undefined;
  /** Called for every piece of stderr, while the program runs. */
  readonly onText?: ((text: string, child: ChildProcess) => void) | undefined;
  /** The same for stdout. */
  readonly onOutput?: ((text: string, child: ChildProcess) => void) | undefined;
  /** Called for every line of stdout that is JSON, while the program runs. */
  readonly onLine?: ((line: JsonLine, child: ChildProcess) => void) | undefined;
}

/** The program as a child process with exactly this environment. */
export async function runCli(args: readonly string[], options: CliOptions): Promise<CliRun> {
  const child = spawn(process.execPath, [...programArguments(), ...args], {
    env: options.env,
    cwd: options.cwd,
    uid: options.uid,
    stdio: ["pipe", "pipe", "pipe"],
  });
  child.stdin.on("error", () => {
    // It ended before it read everything.
  });
  child.stdin.end(options.stdin ?? "");
  let stdout = "";
  let stderr = "";
  let rest = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
    options.onOutput?.(text, child);
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line.startsWith("{")) options.onLine?.(JSON.parse(line) as JsonLine, child);
    }
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    options.onText?.(text, child);
  });
  const exitCode = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  return { exitCode, stdout, stderr };
}

/** All lines of a `--json` run; throws when stdout holds anything else. */
export function jsonLines(run: CliRun): JsonLine[] {
  const lines = run.stdout.split("\n");
  if (lines.pop() !== "") throw new Error(`stdout does not end with a newline: ${run.stdout}`);
  return lines.map((line) => {
    try {
      return JSON.parse(line) as JsonLine;
    } catch {
      throw new Error(`not a line of JSON: ${line}\n${run.stderr}`);
    }
  });
}

/** The last line, which says how it ended. */
export function lastLine(run: CliRun): JsonLine {
  const last = jsonLines(run).at(-1);
  if (last === undefined) throw new Error(`nothing on stdout; stderr: ${run.stderr}`);
  return last;
}
