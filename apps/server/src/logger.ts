import { isProvisionerError, type Redactor } from "@molecule-ai/core";
import type { FastifyBaseLogger } from "fastify";
import { pino } from "pino";
import type { LOG_LEVELS } from "./config.js";

/** Structured logging, as pino and fastify have it: `logger.info({ id }, "a fixed sentence")`. */
export type Logger = Pick<FastifyBaseLogger, "debug" | "info" | "warn" | "error">;

/** Fields that hold what nobody should read, wherever somebody logs an object with one. */
const SECRET_FIELDS = [
  "authorization",
  "cookie",
  "set-cookie",
  "token",
  "auth_token",
  "authToken",
  "adminToken",
  "secret",
  "secrets",
  "secretsKey",
  "password",
  "value",
  "env",
  "headers",
];

export interface LoggerOptions {
  readonly level: (typeof LOG_LEVELS)[number];
  /** Knows the secrets of this process, and takes them out of every line. */
  readonly redactor: Redactor;
  /** Undefined writes to stdout. */
  readonly write?: ((line: string) => void) | undefined;
}

/** The log of the server: one JSON object a line, without secrets. */
export function createLogger({ level, redactor, write }: LoggerOptions): FastifyBaseLogger {
  return pino(
    {
      level,
      redact: {
        paths: SECRET_FIELDS.flatMap((field) => [
          `["${field}"]`,
          `*["${field}"]`,
          `*.*["${field}"]`,
        ]),
        censor: "***",
      },
      serializers: { err: describeError },
      hooks: { streamWrite: (line) => maskLine(line, redactor) },
    },
    write === undefined ? pino.destination({ sync: true }) : { write },
  );
}

/**
 * Most lines hold no secret and are written as they are. In the others only the values are masked: what
 * somebody saved as a secret may look like a part of a line.
 */
function maskLine(line: string, redactor: Redactor): string {
  if (redactor.redact(line) === line) return line;
  const entry: unknown = JSON.parse(line, (_name, value: unknown) =>
    typeof value === "string" ? redactor.redact(value) : value,
  );
  return `${JSON.stringify(entry)}\n`;
}

/**
 * An error for the log. The text of an error that is not ours may hold what a client sent, such as
 * the values of a query that failed: only its name, code and place are kept. Its causes follow.
 */
function describeError(error: unknown, depth = 0): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error };
  const code = (error as { readonly code?: unknown }).code;
  return {
    type: error.name,
    ...(typeof code === "string" ? { code } : {}),
    ...(quotesNothing(error) ? { message: error.message } : {}),
    stack: framesOf(error),
    ...(error.cause === undefined || depth > 4
      ? {}
      : { cause: describeError(error.cause, depth + 1) }),
  };
}

/** Our errors, those of the language about our code, and those of the system. */
function quotesNothing(error: Error): boolean {
  return (
    isProvisionerError(error) ||
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    error instanceof RangeError ||
    "syscall" in error
  );
}

/** Without the first lines, which repeat the message. */
function framesOf(error: Error): string {
  const frames = (error.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  return frames
    .slice(0, 12)
    .map((line) => line.trim())
    .join("\n");
}
