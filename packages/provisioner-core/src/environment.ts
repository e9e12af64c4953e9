import { WorkspaceError } from "./errors.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

/** Linux refuses `execve` when one `NAME=value` is longer than this, its ending NUL included. */
const KERNEL_STRING_BYTES = 128 * 1024;

/** All variables together; well under the quarter of an 8 MiB stack that the kernel allows. */
const TOTAL_BYTES = 1024 * 1024;

/** Set by the provisioner; a value of the user's would break registration or lie about the tier. */
export const RESERVED_ENV_NAMES: readonly string[] = [
  "WORKSPACE_ID",
  "WORKSPACE_CONFIG_PATH",
  "PLATFORM_URL",
  "MOLECULE_URL",
  "TIER",
  "AWARENESS_NAMESPACE",
  "AWARENESS_URL",
];

/** Names a POSIX shell keeps for itself: exporting them from a file fails or changes how it reads on. */
const SHELL_OWNED_NAMES: ReadonlySet<string> = new Set([
  "_",
  "BASHOPTS",
  "BASH_ENV",
  "BASH_VERSINFO",
  "ENV",
  "EPOCHREALTIME",
  "EPOCHSECONDS",
  "EUID",
  "FUNCNAME",
  "GROUPS",
  "IFS",
  "LINENO",
  "OLDPWD",
  "OPTIND",
  "PPID",
  "PWD",
  "RANDOM",
  "SECONDS",
  "SHELLOPTS",
  "SHLVL",
  "UID",
]);

/** What the platform tells every workspace about itself. */
export interface PlatformEnvironment {
  readonly id: string;
  readonly tier: number;
  readonly platformUrl: string;
  readonly awarenessUrl: string | undefined;
  readonly awarenessNamespace: string | undefined;
  /** What the tier needs to work. */
  readonly tierEnvironment: Readonly<Record<string, string>>;
  /** Given last, so that it wins over `PLUGINS_DIR` and `PYTHONPATH`. */
  readonly user: Readonly<Record<string, string>>;
}

/** The environment of a workspace as `NAME=value`, in the order the Go provisioner gives it. */
export function buildEnvironment(environment: PlatformEnvironment): readonly string[] {
  const { awarenessNamespace, awarenessUrl } = environment;
  const aware = isGiven(awarenessNamespace) && isGiven(awarenessUrl);
  return [
    `WORKSPACE_ID=${environment.id}`,
    "WORKSPACE_CONFIG_PATH=/configs",
    `PLATFORM_URL=${environment.platformUrl}`,
    `MOLECULE_URL=${environment.platformUrl}`,
    `TIER=${environment.tier}`,
    "PLUGINS_DIR=/plugins",
    "PYTHONPATH=/app",
    ...(aware
      ? [`AWARENESS_NAMESPACE=${awarenessNamespace}`, `AWARENESS_URL=${awarenessUrl}`]
      : []),
    ...formatEntries(environment.tierEnvironment),
    ...formatEntries(environment.user),
  ];
}

/**
 * Refuses what cannot or must not reach a process: `ERR_WORKSPACE_ENV_INVALID`,
 * `ERR_WORKSPACE_ENV_RESERVED`, `ERR_WORKSPACE_ENV_TOO_LARGE`. Values are never part of the error.
 */
export function validateEnvironment(spec: Pick<WorkspaceSpec, "env" | "secrets">): void {
  let totalBytes = 0;
  for (const [name, value] of Object.entries(spec.env ?? {})) {
    checkPlainName(name);
    checkReserved(name);
    if (/[\r\n]/.test(value)) {
      throw new WorkspaceError(
        "ERR_WORKSPACE_ENV_INVALID",
        `The value of ${name} has a line break.`,
        {
          hint: "Give it as a secret (secrets may have several lines) or as a config file.",
          details: { name },
        },
      );
    }
    totalBytes += checkValue(name, value);
  }
  for (const [name, value] of Object.entries(spec.secrets ?? {})) {
    checkSecretName(name);
    checkReserved(name);
    if (Object.hasOwn(spec.env ?? {}, name)) {
      throw new WorkspaceError(
        "ERR_WORKSPACE_ENV_INVALID",
        `${name} is given as a secret and as a plain variable.`,
        { hint: "Keep one of the two.", details: { name } },
      );
    }
    totalBytes += checkValue(name, value);
  }
  if (totalBytes > TOTAL_BYTES) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_ENV_TOO_LARGE",
      `The environment is ${totalBytes} bytes long; ${TOTAL_BYTES} are allowed.`,
      { hint: "Move long values into config files.", details: { totalBytes, limit: TOTAL_BYTES } },
    );
  }
}

function checkPlainName(name: string): void {
  // Any name a container engine passes on: no `=`, no blank, no control character.
  if (/^[!-<>-~]+$/.test(name)) return;
  throw new WorkspaceError(
    "ERR_WORKSPACE_ENV_INVALID",
    `${JSON.stringify(name.slice(0, 80))} is not a name for an environment variable.`,
    { hint: "Use letters, digits and underscores.", details: { name: name.slice(0, 80) } },
  );
}

function checkSecretName(name: string): void {
  if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !SHELL_OWNED_NAMES.has(name)) return;
  throw new WorkspaceError(
    "ERR_WORKSPACE_ENV_INVALID",
    `${JSON.stringify(name.slice(0, 80))} is not a name a shell can export, so it cannot be a secret.`,
    {
      hint: "Use letters, digits and underscores, not starting with a digit, and none of the shell's own names.",
      details: { name: name.slice(0, 80) },
    },
  );
}

function checkReserved(name: string): void {
  if (!RESERVED_ENV_NAMES.includes(name)) return;
  throw new WorkspaceError(
    "ERR_WORKSPACE_ENV_RESERVED",
    `${name} is set by the provisioner and cannot be given.`,
    { hint: `Reserved names: ${RESERVED_ENV_NAMES.join(", ")}.`, details: { name } },
  );
}

function checkValue(name: string, value: string): number {
  if (value.includes("\0")) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_ENV_INVALID",
      `The value of ${name} has a NUL character.`,
      { hint: "Encode binary values, for example as base64.", details: { name } },
    );
  }
  const bytes = Buffer.from(value, "utf8");
  if (bytes.toString("utf8") !== value) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_ENV_INVALID",
      `The value of ${name} has half of a surrogate pair and cannot be written as UTF-8.`,
      { hint: "Give the value as valid Unicode text.", details: { name } },
    );
  }
  const totalBytes = Buffer.byteLength(name) + 1 + bytes.length + 1;
  if (totalBytes > KERNEL_STRING_BYTES) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_ENV_TOO_LARGE",
      `${name} is ${totalBytes} bytes long with its name; Linux takes ${KERNEL_STRING_BYTES}.`,
      {
        hint: "Give it as a config file and read it from /configs.",
        details: { name, totalBytes, limit: KERNEL_STRING_BYTES },
      },
    );
  }
  return totalBytes;
}

function formatEntries(entries: Readonly<Record<string, string>>): string[] {
  return Object.entries(entries).map(([name, value]) => `${name}=${value}`);
}

function isGiven(value: string | undefined): value is string {
  return value !== undefined && value !== "";
}
