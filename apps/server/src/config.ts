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
  /** Longest time, in milliseconds, that requests under way may take once a stop was asked for. */
  readonly shutdownGraceMs: number;
}

const integer = (most: number): z.ZodType<number, string> =>
  z
    .string()
    .regex(/^\d{1,9}$/, `must be a whole number from 0 to ${most}`)
    .transform(Number)
    .refine((value) => value <= most, `must be a whole number from 0 to ${most}`);

const schema = z.object({
  HOST: z.string().default("127.0.0.1"),
  PORT: integer(65_535).default(8080),
  LOG_LEVEL: z
    .enum(LOG_LEVELS, { error: `must be one of ${LOG_LEVELS.join(", ")}` })
    .default("info"),
  SHUTDOWN_GRACE_SECONDS: integer(3600).default(10),
});

/**
 * Reads the settings; a variable that is unset or empty has its default.
 *
 * @throws ServerError `ERR_SERVER_CONFIG` naming every variable with an unusable value.
 */
export function serverConfigFromEnv(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<ServerConfig> {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const parsed = schema.safeParse(given);
  if (!parsed.success) {
    const faults = parsed.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new ServerError("ERR_SERVER_CONFIG", `Unusable settings: ${faults.join("; ")}`, {
      hint: "Correct these environment variables, or unset them to use the defaults.",
    });
  }
  return Object.freeze({
    host: parsed.data.HOST,
    port: parsed.data.PORT,
    logLevel: parsed.data.LOG_LEVEL,
    shutdownGraceMs: parsed.data.SHUTDOWN_GRACE_SECONDS * 1000,
  });
}

/** The settings of this process. */
export function readServerConfig(): Readonly<ServerConfig> {
  return serverConfigFromEnv(process.env);
}
