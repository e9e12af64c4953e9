import {
  isProvisionerError,
  type JsonObject,
  type JsonValue,
  type ProvisionerError,
  type Redactor,
} from "@molecule-ai/core";
import { ServerError } from "../errors.js";
import type { OperationFailure } from "./operation.js";

/** What is kept of an agent's last output. */
const MOST_LOG_CHARACTERS = 8192;

/**
 * What people are told of an error. An error that is not ours says nothing but that it happened: its
 * words are for the log.
 */
export function describeOperationFailure(error: unknown, redactor: Redactor): OperationFailure {
  const failure = isProvisionerError(error) ? error : internalError(error);
  const { logTail, ...details } = failure.details;
  return {
    code: failure.code,
    message: redactor.redact(failure.message),
    hint: failure.hint === undefined ? undefined : redactor.redact(failure.hint),
    details: redactJson(details, redactor) as JsonObject,
    logTail: textOf(logTail, redactor),
  };
}

/** What is told of an operation that was stopped on request. */
export function cancelledFailure(message: string, details: JsonObject = {}): OperationFailure {
  return {
    code: "ERR_OPERATION_CANCELLED",
    message,
    hint: "Ask for it again when it is still wanted.",
    details,
    logTail: undefined,
  };
}

function internalError(error: unknown): ProvisionerError {
  return new ServerError("ERR_INTERNAL", "The server failed at this operation.", {
    hint: "Look for the id of the operation in the server's log.",
    cause: error,
  });
}

function textOf(logTail: JsonValue | undefined, redactor: Redactor): string | undefined {
  const lines = Array.isArray(logTail) ? logTail : [logTail];
  const text = lines
    .filter((line) => typeof line === "string")
    .map((line) => redactor.redact(line))
    .join("\n");
  return text === "" ? undefined : text.slice(-MOST_LOG_CHARACTERS);
}

function redactJson(value: JsonValue, redactor: Redactor): JsonValue {
  if (typeof value === "string") return redactor.redact(value);
  if (Array.isArray(value)) return value.map((item: JsonValue) => redactJson(item, redactor));
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => [key, redactJson(item, redactor)]),
    );
  }
  return value;
}
