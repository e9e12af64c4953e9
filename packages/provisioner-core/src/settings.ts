import type { TierLimits } from "@molecule-ai/host-config";
import type { ImagePins, RegistryChoice, RuntimeRegistry } from "@molecule-ai/registry-mode";
import { isIP } from "node:net";
import { WorkspaceError } from "./errors.js";
import { DEFAULT_NETWORK_NAME } from "./names.js";

/** What the environment decides for every workspace of an installation. */
export interface ProvisionerSettings {
  /** Where agents find the platform. */
  readonly platformUrl: string;
  /** Given to agents only together with a namespace. */
  readonly awarenessUrl: string | undefined;
  /** Network of the workspaces; created when it is absent. */
  readonly networkName: string;
  /** Host address the agent port is published on. */
  readonly publishAddress: string;
  /** Directories that outlive the container, by runtime: one volume each. */
  readonly statePaths: Readonly<Record<string, string>>;
  /** How long a process may take to end after SIGTERM. */
  readonly stopGraceSeconds: number;
  /** Longest wait for readiness without a sign of life. */
  readonly readyTimeoutMs: number;
  /** Longest wait for readiness altogether, whatever the signs of life. */
  readonly readyTotalTimeoutMs: number;
  /** Take over unlabelled volumes that the Go provisioner left under our names. */
  readonly adoptVolumes: boolean;
}

/** All that turns a spec into a plan. */
export interface PlanSettings extends ProvisionerSettings {
  readonly installId: string;
  readonly registry: RegistryChoice;
  readonly runtimes: RuntimeRegistry;
  readonly pins?: ImagePins | undefined;
  /** `os/arch[/variant]` of pull and create; undefined means the engine's own. */
  readonly platform?: string | undefined;
  /** Limits by tier, as `tierLimitsFromEnv` reads them. */
  readonly limits: TierLimits;
  /** Sockets of the engine, which no workspace directory may give away. */
  readonly socketPaths?: readonly string[] | undefined;
  /** The engine's socket on its host, for tier 4. */
  readonly dockerSocketPath?: string | undefined;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** The runtimes whose own state is worth more than one container's life. */
const STATE_PATHS: Readonly<Record<string, string>> = {
  "claude-code": "/home/agent",
  codex: "/home/agent",
};

/**
 * Reads the variables of this package; `ERR_WORKSPACE_SETTINGS_INVALID` for a value that cannot be
 * meant. An empty value counts as unset.
 *
 * - `PLATFORM_URL`, default `http://host.docker.internal:<PORT or 8080>`
 * - `AWARENESS_URL`
 * - `MOLECULE_NETWORK`, default `molecule-monorepo-net`
 * - `MOLECULE_PUBLISH_ADDRESS`, an IP address, default `127.0.0.1`
 * - `MOLECULE_STATE_PATHS`, `runtime=/path` entries separated by commas, beside the built-in ones;
 *   `runtime=` turns one off
 * - `MOLECULE_STOP_GRACE_SECONDS`, default 10
 * - `MOLECULE_READY_TIMEOUT_SECONDS`, default 180; `MOLECULE_READY_TOTAL_TIMEOUT_SECONDS`, default 900
 * - `MOLECULE_ADOPT_VOLUMES`, `1` or `true`
 */
export function provisionerSettingsFromEnv(env: Environment): ProvisionerSettings {
  return {
    platformUrl:
      readUrl(env, "PLATFORM_URL") ??
      `http://host.docker.internal:${readInteger(env, "PORT", 8080, 65_535)}`,
    awarenessUrl: readUrl(env, "AWARENESS_URL"),
    networkName: readNetworkName(env),
    publishAddress: readAddress(env),
    statePaths: readStatePaths(env),
    stopGraceSeconds: readInteger(env, "MOLECULE_STOP_GRACE_SECONDS", 10, 3600),
    readyTimeoutMs: readInteger(env, "MOLECULE_READY_TIMEOUT_SECONDS", 180, 86_400) * 1000,
    readyTotalTimeoutMs:
      readInteger(env, "MOLECULE_READY_TOTAL_TIMEOUT_SECONDS", 900, 86_400) * 1000,
    adoptVolumes: ["1", "true"].includes(read(env, "MOLECULE_ADOPT_VOLUMES") ?? ""),
  };
}

function read(env: Environment, name: string): string | undefined {
  const value = env[name];
  return value === undefined || value === "" ? undefined : value;
}

function readUrl(env: Environment, name: string): string | undefined {
  const value = read(env, name);
  if (value === undefined) return undefined;
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url?.protocol === "http:" || url?.protocol === "https:") return value;
  throw invalid(name, "is not an http or https URL", "Write it as http://host:port.");
}

function readInteger(env: Environment, name: string, fallback: number, most: number): number {
  const value = read(env, name);
  if (value === undefined) return fallback;
  const number = /^[0-9]{1,9}$/.test(value) ? Number(value) : 0;
  if (number >= 1 && number <= most) return number;
  throw invalid(name, `is not a whole number from 1 to ${most}`, "Correct or unset it.");
}

function readNetworkName(env: Environment): string {
  const name = read(env, "MOLECULE_NETWORK") ?? DEFAULT_NETWORK_NAME;
  const taken = ["host", "none", "bridge", "default"].includes(name);
  if (!taken && /^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$/.test(name)) return name;
  throw invalid(
    "MOLECULE_NETWORK",
    "is not a name for a user-defined network",
    "Use letters, digits, dots, hyphens and underscores; host, none, bridge and default are the engine's own.",
  );
}

function readAddress(env: Environment): string {
  const address = read(env, "MOLECULE_PUBLISH_ADDRESS") ?? "127.0.0.1";
  if (isIP(address) !== 0) return address;
  throw invalid(
    "MOLECULE_PUBLISH_ADDRESS",
    "is not an IP address",
    "Use 127.0.0.1, or an address of the engine's host that agents may be reached on.",
  );
}

function readStatePaths(env: Environment): Readonly<Record<string, string>> {
  const paths = new Map(Object.entries(STATE_PATHS));
  for (const entry of (read(env, "MOLECULE_STATE_PATHS") ?? "").split(",")) {
    if (entry.trim() === "") continue;
    const match = /^\s*([a-z0-9-]{1,63})=(\/[A-Za-z0-9._/-]{1,255})?\s*$/.exec(entry);
    const [, runtime, path] = match ?? [];
    if (runtime === undefined || path?.split("/").includes("..") === true) {
      throw invalid(
        "MOLECULE_STATE_PATHS",
        "is not a list of runtime=/path",
        "Write runtime=/absolute/path entries separated by commas.",
      );
    }
    if (path === undefined) paths.delete(runtime);
    else paths.set(runtime, path);
  }
  return Object.fromEntries(paths);
}

function invalid(name: string, problem: string, hint: string): WorkspaceError {
  return new WorkspaceError("ERR_WORKSPACE_SETTINGS_INVALID", `${name} ${problem}.`, {
    hint,
    details: { variable: name },
  });
}
