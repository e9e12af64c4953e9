import type { FastifyBaseLogger } from "fastify";

/** Structured logging, as pino and fastify have it: `logger.info({ id }, "a fixed sentence")`. */
export type Logger = Pick<FastifyBaseLogger, "debug" | "info" | "warn" | "error">;
