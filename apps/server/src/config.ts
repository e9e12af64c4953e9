import { isInstallId } from "@molecule-ai/core";
import { readFileSync } from "node:fs";
import { homedir, hostname, tmpdir } from "node:os";
import ipaddr from "ipaddr.js";
import { z } from "zod";
import { ServerError } from "./errors.js";

export const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"] as const;

/** Settings of the server process; frozen. */
export interface ServerConfig {
  /** Address to listen on. */
  readonly host: string;
  /** Port to listen on; 0 lets the system choose. */
  readonly port: number;
  readonly logLevel: (typeof LOG_LEVELS)[number];
  /** Longest time, in milliseconds, that requests and operations under way may take once a stop was asked for. */
  readonly shutdownGraceMs: number;
  /** PostgreSQL to use; undefined for an embedded database in `stateDirectory`. */
  readonly databaseUrl: string | undefined;
  /** Directory of the embedded database and of the keys that were made here. */
  readonly stateDirectory: string;
  /** Current key of the stored secrets, as text; undefined makes one in `stateDirectory`. */
  readonly secretsKey: string | undefined;
  /** The key before the last rotation: what it sealed can still be read, and is sealed anew. */
  readonly previousSecretsKey: string | undefined;
  /** Token of the administrator; undefined makes one at the first boot. */
  readonly adminToken: string | undefined;
  /** The highest tier the API may ask for. */
  readonly maxTier: number;
  /** Stamped on everything this fleet creates; undefined takes the one in the database. */
  readonly installId: string | undefined;
  /** Directory of the templates that a request may name. */
  readonly configsDirectory: string | undefined;
  /** Host directory for `/workspace` when a request names none. */
  readonly workspaceDirectory: string | undefined;
  /** Longest time a provision may take without progress in any stage; undefined: by runtime. */
  readonly provisionTimeoutMs: number | undefined;
  /** Silence after which an external agent counts as offline. */
  readonly remoteStaleAfterMs: number;
  /** Requests a minute and caller. */
  readonly rateLimit: number;
  /** Agents of other machines and networks: private addresses of agents are refused no more. */
  readonly isSaas: boolean;
  /** Origins that browsers may call from. */
  readonly corsOrigins: readonly string[];
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed; empty: of none. */
  readonly trustProxy: readonly string[];
  /** Operations this process runs at once. */
  readonly operationConcurrency: number;
  /** Operations of one runtime that run at once on one engine. */
  readonly runtimeConcurrency: number;
  /** File with the policy that images must satisfy before a workspace starts. */
  readonly admissionPolicyFile: string | undefined;
  readonly orphanSweep: (typeof ORPHAN_SWEEPS)[number];
  /** Events, finished operations and build logs older than this are dropped. */
  readonly retentionDays: number;
  /** Where other server processes reach this one; undefined: where it listens. */
  readonly advertiseUrl: string | undefined;
  /**
   * This process is a container of the engine, on the network of the workspaces: agents are reached
   * by name. Undefined: the engine is asked whether it knows this host name.
   */
  readonly inDocker: boolean | undefined;
  /** The whole environment, for the `…FromEnv` function of each package. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly machine: MachineFacts;
}

/** What is known of the machine, and of the user there. */
export interface MachineFacts {
  readonly homeDirectory: string;
  readonly temporaryDirectory: string;
  readonly hostName: string;
  readonly platform: NodeJS.Platform;
  readonly arch: string;
  /** Undefined where users have no numbers. */
  readonly uid: number | undefined;
}

export const ORPHAN_SWEEPS = ["on", "dry-run", "off"] as const;

const integer = (least: number, most: number): z.ZodType<number, string> => {
  const rule = `must be a whole number from ${least} to ${most}`;
  return z
    .string()
    .regex(/^\d{1,9}$/, rule)
    .transform(Number)
    .refine((value) => value >= least && value <= most, rule);
};

const httpUrl = z.url({ protocol: /^https?$/, error: "must be an http or https URL" });
const absolutePath = z.string().startsWith("/", "must be an absolute path");

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((entry) => entry.trim())
    .filter((entry) => entry !== "");
}

function isNetwork(text: string): boolean {
  return text.includes("/") ? ipaddr.isValidCIDR(text) : ipaddr.isValid(text);
}

const schema = z.object({
  HOST: z.string().default("127.0.0.1"),
  PORT: integer(0, 65_535).default(8080),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(", ")}` })
    .default("info"),
  SHUTDOWN_GRACE_SECONDS: integer(0, 3600).default(10),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/, error: "must be a postgres:// URL" })
    .optional(),
  MOLECULE_STATE_DIR: absolutePath.optional(),
  SECRETS_ENCRYPTION_KEY: z.string().optional(),
  SECRETS_ENCRYPTION_KEY_PREVIOUS: z.string().optional(),
  ADMIN_TOKEN: z
    .string()
    .regex(/^[\x21-\x7e]{16,512}$/, "must be 16 to 512 printable characters without spaces")
    .optional(),
  MOLECULE_MAX_TIER: integer(1, 4).default(2),
  MOLECULE_INSTALL_ID: z
    .string()
    .refine(isInstallId, "must be 1 to 63 characters of a-z, 0-9, '.', '_' and '-'")
    .optional(),
  CONFIGS_DIR: absolutePath.optional(),
  WORKSPACE_DIR: absolutePath.optional(),
  RATE_LIMIT: integer(1, 1_000_000).default(600),
  CORS_ORIGINS: z.string().optional(),
  MOLECULE_TRUST_PROXY: z
    .string()
    .refine(
      (list) => splitList(list).every(isNetwork),
      "must be addresses or networks, with commas",
    )
    .optional(),
  MOLECULE_OPERATION_CONCURRENCY: integer(1, 256).default(8),
  MOLECULE_RUNTIME_CONCURRENCY: integer(1, 256).default(4),
  MOLECULE_ADMISSION_POLICY: absolutePath.optional(),
  MOLECULE_ORPHAN_SWEEP: z
    .enum(ORPHAN_SWEEPS, { error: `must be one of ${ORPHAN_SWEEPS.join(", ")}` })
    .default("on"),
  ACTIVITY_RETENTION_DAYS: integer(1, 3650).default(7),
  MOLECULE_ADVERTISE_URL: httpUrl.optional(),
  MOLECULE_IN_DOCKER: z.string().optional(),
  MOLECULE_DEPLOY_MODE: z.string().optional(),
  MOLECULE_ORG_ID: z.string().optional(),
  // The platform's clients set these to anything; what is not a number there means the default.
  PROVISION_TIMEOUT_SECONDS: z.string().optional(),
  REMOTE_LIVENESS_STALE_AFTER: z.string().optional(),
});

/**
 * Reads the settings; a variable that is unset or empty has its default.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` naming every variable with an unusable value; a value that
 *   may be secret is not repeated.
 */
export function serverConfigFromEnv(
  env: Readonly<Record<string, string | undefined>>,
  machine: MachineFacts = readMachine(),
): Readonly<ServerConfig> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new ServerError("ERR_SERVER_CONFIG", `Unusable settings: ${faults.join("; ")}`, {
      hint: "Correct these environment variables, or unset them to use the defaults.",
    });
  }
  const { data } = parsed;
  const stateHome = given["XDG_STATE_HOME"] ?? `${machine.homeDirectory}/.local/state`;
  return Object.freeze({
    host: data.HOST,
    port: data.PORT,
    logLevel: data.LOG_LEVEL,
    shutdownGraceMs: data.SHUTDOWN_GRACE_SECONDS * 1000,
    databaseUrl: data.DATABASE_URL,
    stateDirectory: data.MOLECULE_STATE_DIR ?? `${stateHome}/molecule-server`,
    secretsKey: data.SECRETS_ENCRYPTION_KEY,
    previousSecretsKey: data.SECRETS_ENCRYPTION_KEY_PREVIOUS,
    adminToken: data.ADMIN_TOKEN,
    maxTier: data.MOLECULE_MAX_TIER,
    installId: data.MOLECULE_INSTALL_ID,
    configsDirectory: data.CONFIGS_DIR,
    workspaceDirectory: data.WORKSPACE_DIR,
    provisionTimeoutMs: positiveSeconds(data.PROVISION_TIMEOUT_SECONDS),
    remoteStaleAfterMs: positiveSeconds(data.REMOTE_LIVENESS_STALE_AFTER) ?? 90_000,
    rateLimit: data.RATE_LIMIT,
    isSaas: isSaas(data.MOLECULE_DEPLOY_MODE, data.MOLECULE_ORG_ID),
    corsOrigins: splitList(data.CORS_ORIGINS ?? ""),
    trustProxy: splitList(data.MOLECULE_TRUST_PROXY ?? ""),
    operationConcurrency: data.MOLECULE_OPERATION_CONCURRENCY,
    runtimeConcurrency: data.MOLECULE_RUNTIME_CONCURRENCY,
    admissionPolicyFile: data.MOLECULE_ADMISSION_POLICY,
    orphanSweep: data.MOLECULE_ORPHAN_SWEEP,
    retentionDays: data.ACTIVITY_RETENTION_DAYS,
    advertiseUrl: data.MOLECULE_ADVERTISE_URL,
    inDocker: parseBoolean(data.MOLECULE_IN_DOCKER),
    env: given,
    machine,
  });
}

/** The words Go's ParseBool takes; anything else says nothing. */
function parseBoolean(text: string | undefined): boolean | undefined {
  if (["1", "t", "T", "TRUE", "true", "True"].includes(text ?? "")) return true;
  if (["0", "f", "F", "FALSE", "false", "False"].includes(text ?? "")) return false;
  return undefined;
}

function positiveSeconds(text: string | undefined): number | undefined {
  const seconds = /^\d{1,7}$/.test(text ?? "") ? Number(text) : 0;
  return seconds > 0 ? seconds * 1000 : undefined;
}

/** An unknown mode is not SaaS; without a mode the organisation decides, as the platform does. */
function isSaas(mode: string | undefined, organisation: string | undefined): boolean {
  return mode === undefined ? organisation !== undefined : mode.trim().toLowerCase() === "saas";
}

/** Variables that hold a secret; each may be given as a file instead, by its name and `_FILE`. */
const SECRET_VARIABLES = [
  "DATABASE_URL",
  "SECRETS_ENCRYPTION_KEY",
  "SECRETS_ENCRYPTION_KEY_PREVIOUS",
  "ADMIN_TOKEN",
] as const;

/**
 * The environment with the contents of `…_FILE` variables in place, without their last line break.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` for a file that cannot be read, or a variable given both ways.
 */
export function readSecretFiles(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | undefined>> {
  const read: Record<string, string | undefined> = { ...env };
  for (const name of SECRET_VARIABLES) {
    const path = env[`${name}_FILE`];
    if (path === undefined || path === "") continue;
    if (env[name] !== undefined && env[name] !== "") {
      throw new ServerError("ERR_SERVER_CONFIG", `${name} and ${name}_FILE are both set.`, {
        hint: "Unset one of them.",
      });
    }
    try {
      read[name] = readFileSync(path, "utf8").replace(/\r?\n$/, "");
    } catch (cause) {
      throw new ServerError(
        "ERR_SERVER_CONFIG",
        `The file of ${name}_FILE cannot be read: ${path}`,
        {
          hint: "Check the path, and that the user of the server may read it.",
          details: { reason: (cause as NodeJS.ErrnoException).code ?? "unknown" },
          cause,
        },
      );
    }
  }
  return read;
}

/** The settings of this process. */
export function readServerConfig(): Readonly<ServerConfig> {
  return serverConfigFromEnv(readSecretFiles(process.env));
}

function readMachine(): MachineFacts {
  return {
    homeDirectory: homedir(),
    temporaryDirectory: tmpdir(),
    hostName: hostname(),
    platform: process.platform,
    arch: process.arch,
    uid: process.getuid?.(),
  };
}
