import { stripControlCharacters } from "./control-characters.js";
import type { JsonObject, JsonValue } from "./json.js";
import { redactUserinfo } from "./redaction.js";

/** Marks instances across realms and duplicate installs of this package. */
const BRAND = Symbol.for("@molecule-ai/provisioner-error");

export interface ProvisionerErrorOptions {
  /** What the reader can do about it: one sentence, imperative. */
  readonly hint?: string | undefined;
  /** True when the same call may succeed later with nothing changed by the reader. Default false. */
  readonly retryable?: boolean | undefined;
  /** Plain JSON facts for machines. Strings in it lose control characters and URL userinfo. */
  readonly details?: JsonObject | undefined;
  /** The original failure, untouched. */
  readonly cause?: unknown;
}

/**
 * The one error a reader of this project meets: a stable code, one sentence of what failed on which
 * object, a hint of what to do, and the cause kept.
 *
 * Message, hint and details lose control characters and URL userinfo on construction; literal
 * secrets are removed by the `Redactor` of the caller before they get here.
 */
export class ProvisionerError<Code extends string = string> extends Error {
  readonly code: Code;
  readonly hint: string | undefined;
  readonly retryable: boolean;
  readonly details: JsonObject;

  constructor(code: Code, message: string, options: ProvisionerErrorOptions = {}) {
    super(safeText(message), "cause" in options ? { cause: options.cause } : undefined);
    Object.defineProperty(this, BRAND, { value: true });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint === undefined ? undefined : safeText(options.hint);
    this.retryable = options.retryable ?? false;
    this.details = safeJson(options.details ?? {}) as JsonObject;
  }

  /** The wire shape: everything but the cause and the stack. */
  toJSON(): ErrorRecord {
    return {
      name: this.name,
      code: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      retryable: this.retryable,
      details: this.details,
    };
  }
}

/** A {@link ProvisionerError} as plain JSON, as printed by `--json` and sent by the server. */
export interface ErrorRecord {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly retryable: boolean;
  readonly details: JsonObject;
}

/**
 * True for errors of this project, also when they come from a second installed copy of the package.
 * With `code`, only for that code.
 */
export function isProvisionerError<Code extends string = string>(
  error: unknown,
  code?: Code,
): error is ProvisionerError<Code> {
  if (typeof error !== "object" || error === null || !(BRAND in error)) return false;
  return code === undefined || (error as { code?: unknown }).code === code;
}

function safeText(text: string): string {
  return redactUserinfo(stripControlCharacters(text));
}

function safeJson(value: JsonValue): JsonValue {
  if (typeof value === "string") return safeText(value);
  if (Array.isArray(value)) return value.map(safeJson);
  if (typeof value === "object" && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, safeJson(item)]));
  }
  return value;
}
