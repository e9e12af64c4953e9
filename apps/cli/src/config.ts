import { isInstallId } from "@molecule-ai/core";
import { homedir, tmpdir, userInfo } from "node:os";
import { isAbsolute, join } from "node:path";
import { isatty } from "node:tty";
import { CliError } from "./errors.js";

export type Environment = Readonly<Record<string, string | undefined>>;

/** One of the two output streams, as far as it decides what is written to it. */
export interface OutputTraits {
  readonly isTerminal: boolean;
  readonly colour: boolean;
}

export interface TerminalTraits {
  readonly stdin: { readonly isTerminal: boolean };
  readonly stdout: OutputTraits;
  readonly stderr: OutputTraits;
  /** True when the cursor can be moved. */
  readonly cursor: boolean;
  /** True when more than ASCII can be drawn. */
  readonly unicode: boolean;
  readonly columns: () => number;
}

/** All that is known of the outside before any command runs; read once, frozen. */
export interface Settings {
  readonly argv: readonly string[];
  /** Handed to the `…FromEnv` function of each package by `compose.ts`, and to `--env NAME`. */
  readonly env: Environment;
  readonly cwd: string;
  readonly homeDirectory: string;
  readonly userName: string;
  readonly hostPlatform: NodeJS.Platform;
  readonly hostArch: string;
  readonly temporaryDirectory: string;
  /** Undefined where users have no numbers. */
  readonly uid: number | undefined;
  /** `MOLECULE_INSTALL_ID`; undefined means: derive it from engine and user. */
  readonly installId: string | undefined;
  /** `MOLECULE_MAX_TIER`: the highest tier anybody may ask for on this machine; 4 when not set. */
  readonly maxTier: number;
  /** `MOLECULE_URL`, unparsed: only a command that asks a server fails when it is wrong. */
  readonly serverUrl: string | undefined;
  /** `MOLECULE_TOKEN_FILE`: a file with the token for that server. */
  readonly tokenFile: string | undefined;
  /** Where `login` keeps tokens. */
  readonly configDirectory: string;
}

/** What {@link parseSettings} reads; `readSettings` fills it from the process. */
export interface HostFacts {
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly cwd: string;
  readonly homeDirectory: string;
  readonly userName: string;
  readonly hostPlatform: NodeJS.Platform;
  readonly hostArch: string;
  readonly temporaryDirectory: string;
  readonly uid: number | undefined;
  readonly stdinIsTerminal: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  /** Width of the terminal now; 80 when there is none. */
  readonly columns: () => number;
}

/** The facts of this process. */
export function readHostFacts(): HostFacts {
  return {
    argv: process.argv.slice(2),
    env: { ...process.env },
    cwd: process.cwd(),
    homeDirectory: homedir(),
    userName: readUserName(process.env),
    hostPlatform: process.platform,
    hostArch: process.arch,
    temporaryDirectory: tmpdir(),
    uid: process.getuid?.(),
    stdinIsTerminal: isatty(0),
    stdoutIsTerminal: isatty(1),
    stderrIsTerminal: isatty(2),
    // Node gives no columns where there is no terminal, whatever its typings say.
    columns: () => (process.stderr.columns as number | undefined) ?? 80,
  };
}

/** Settings from the facts; throws `ERR_CLI_OPTION_INVALID` naming the variable that is wrong. */
export function parseSettings(facts: HostFacts): Settings {
  const { env } = facts;
  return Object.freeze({
    argv: facts.argv,
    env,
    cwd: facts.cwd,
    homeDirectory: facts.homeDirectory,
    userName: facts.userName,
    hostPlatform: facts.hostPlatform,
    hostArch: facts.hostArch,
    temporaryDirectory: facts.temporaryDirectory,
    uid: facts.uid,
    installId: parseInstallId(env["MOLECULE_INSTALL_ID"]),
    maxTier: parseMaxTier(env["MOLECULE_MAX_TIER"]),
    serverUrl: env["MOLECULE_URL"] || undefined,
    tokenFile: env["MOLECULE_TOKEN_FILE"] || undefined,
    configDirectory: join(configHome(facts), "molecule-provisioner"),
  });
}

/** What the terminals of this process can show. Never throws: errors are shown with it. */
export function terminalTraits(facts: HostFacts): TerminalTraits {
  const term = facts.env["TERM"];
  return Object.freeze({
    stdin: { isTerminal: facts.stdinIsTerminal },
    stdout: outputTraits(facts.stdoutIsTerminal, facts.env),
    stderr: outputTraits(facts.stderrIsTerminal, facts.env),
    cursor: term !== "dumb",
    unicode: term !== "dumb" && term !== "linux",
    columns: facts.columns,
  });
}

/** `FORCE_COLOR` other than 0 or false wins, then `NO_COLOR`, then whether it is a terminal. */
function outputTraits(isTerminal: boolean, env: Environment): OutputTraits {
  const forced = env["FORCE_COLOR"];
  const colour =
    forced === undefined
      ? isTerminal && !env["NO_COLOR"] && env["TERM"] !== "dumb"
      : forced !== "0" && forced !== "false";
  return Object.freeze({ isTerminal, colour });
}

/** As the XDG base directories have it: a path that is not absolute does not count. */
function configHome({ env, homeDirectory }: HostFacts): string {
  const chosen = env["XDG_CONFIG_HOME"];
  return chosen !== undefined && isAbsolute(chosen) ? chosen : join(homeDirectory, ".config");
}

function parseInstallId(value: string | undefined): string | undefined {
  if (value === undefined || value === "") return undefined;
  if (isInstallId(value)) return value;
  throw new CliError("ERR_CLI_OPTION_INVALID", "MOLECULE_INSTALL_ID is not a valid install id", {
    hint: "Use 1 to 63 characters of a-z, 0-9, '.', '_' and '-', starting and ending with a letter or digit.",
  });
}

function parseMaxTier(value: string | undefined): number {
  if (value === undefined || value === "") return 4;
  if (/^[1-4]$/.test(value)) return Number(value);
  throw new CliError("ERR_CLI_OPTION_INVALID", `MOLECULE_MAX_TIER is not a tier: ${value}`, {
    hint: "Set it to 1, 2, 3 or 4, or unset it.",
  });
}

function readUserName(env: Environment): string {
  try {
    return userInfo().username;
  } catch {
    // No passwd entry for this uid, as in many containers.
    return env["USER"] ?? env["LOGNAME"] ?? `uid-${String(process.getuid?.() ?? 0)}`;
  }
}
