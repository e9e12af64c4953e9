import { runProcess, type ProcessOutcome, type ProcessRun } from "@molecule-ai/process-runner";
import { parse, type SemVer } from "semver";
import { ImageBuildError } from "../errors.js";

/** How buildx is called: the plugin's own file, or `docker` with `["buildx"]` before the rest. */
export interface BuildxCommand {
  readonly file: string;
  readonly args: readonly string[];
}

export interface BuildxSettings {
  readonly command: BuildxCommand;
  /** The whole environment of buildx: PATH, HOME, DOCKER_HOST, proxies, `BUILDX_CONFIG` … */
  readonly env: Readonly<Record<string, string>>;
}

/** One call of buildx. */
export interface BuildxCall extends Pick<
  ProcessRun,
  "stdin" | "onStdout" | "onStderr" | "onOutput" | "cwd" | "stderrTailBytes"
> {
  /** What follows `buildx`. */
  readonly args: readonly string[];
  /** Added to the environment of this call: values of secrets, `DOCKER_CONFIG`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  readonly signal: AbortSignal;
}

/** The one door to the buildx program. Never a shell, never global state such as `buildx use`. */
export interface Buildx {
  readonly settings: BuildxSettings;
  /**
   * Runs one command. Throws `ERR_BUILDX_MISSING` when there is no such program; an exit code other
   * than 0 is an outcome, not an error. Abort ends the process group first.
   */
  run(call: BuildxCall): Promise<Exclude<ProcessOutcome, { kind: "missing" }>>;
  /** Of the program. Memoised after the first success. Throws `ERR_BUILDX_MISSING`, `ERR_BUILDX_FAILED`. */
  version(signal: AbortSignal): Promise<SemVer>;
}

const STDOUT_LIMIT_BYTES = 16 * 1024 * 1024;

export function createBuildx(settings: BuildxSettings): Buildx {
  const { command } = settings;
  let version: Promise<SemVer> | undefined;

  const run: Buildx["run"] = async (call) => {
    const outcome = await runProcess({
      ...call,
      file: command.file,
      args: [...command.args, ...call.args],
      env: { ...settings.env, ...call.env },
      stdoutLimitBytes: STDOUT_LIMIT_BYTES,
    });
    if (outcome.kind !== "missing") return outcome;
    throw new ImageBuildError("ERR_BUILDX_MISSING", `There is no program ${command.file}.`, {
      hint: "Install buildx (on Debian: apt-get install docker-buildx), or name it with MOLECULE_BUILDX_PATH.",
    });
  };

  const readVersion = async (signal: AbortSignal): Promise<SemVer> => {
    const outcome = await run({ args: ["version"], signal });
    const found = outcome.kind === "exited" ? parseVersion(outcome.stdout.toString("utf8")) : null;
    if (found !== null) return found;
    throw new ImageBuildError("ERR_BUILDX_FAILED", `${command.file} does not say its version.`, {
      hint: "Check that it is buildx 0.10 or newer: run it with the argument version.",
    });
  };

  return {
    settings,
    run,
    async version(signal) {
      // A failure, also an abort, is one caller's; it is not remembered for the others.
      version ??= readVersion(signal);
      try {
        return await version;
      } catch (error) {
        version = undefined;
        throw error;
      }
    },
  };
}

/** `github.com/docker/buildx v0.13.1 0de5f1c` and Debian's `… 0.13.1+ds1 0.13.1+ds1-3`. */
export function parseVersion(text: string): SemVer | null {
  const word = /^\S*buildx\S* v?(\d{1,6}\.\d{1,6}\.\d{1,6}[-+.\w]{0,64})/m.exec(text)?.[1];
  return word === undefined ? null : (parse(word) ?? parse(word.replace(/[-+].*$/, "")));
}
