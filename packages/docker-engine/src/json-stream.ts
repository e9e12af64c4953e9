import type { Redactor } from "@molecule-ai/core";
import type { Readable } from "node:stream";
import { z } from "zod";
import { EngineError, protocolError, truncatedError } from "./errors.js";
import { boundedText } from "./internal/text.js";

export interface JsonStreamOptions {
  /** What is being read, for error messages. */
  readonly subject: string;
  /** Longest single value in bytes; default 16 MiB. */
  readonly maxValueBytes?: number | undefined;
  /** Cleans the engine's text of secrets. */
  readonly redactor?: Redactor | undefined;
}

const DEFAULT_MAX_VALUE_BYTES = 16 * 1024 * 1024;

const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const NEWLINE = 0x0a;

/**
 * Reads the JSON objects of a stream, however they are spread over lines and chunks.
 *
 * A stream that ends inside a value, or without the newline the engine ends every stream with, was
 * cut: `ERR_ENGINE_TRUNCATED` after the values before the cut. Anything but objects and arrays, and
 * a value above the limit, is `ERR_ENGINE_PROTOCOL`. Says nothing about `errorDetail`: see
 * {@link readProgressStream}. Leaving the loop early destroys `body`.
 */
export async function* readJsonStream(
  body: Readable,
  options: JsonStreamOptions,
): AsyncGenerator<unknown, void, undefined> {
  const { subject, maxValueBytes = DEFAULT_MAX_VALUE_BYTES } = options;
  let value: Buffer[] = [];
  let bytes = 0;
  let depth = 0;
  let inString = false;
  let escaped = false;
  let last: number | undefined;

  for await (const chunk of body as AsyncIterable<Buffer>) {
    let start = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i];
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (depth === 0) start = i;
        depth += 1;
      } else if (depth === 0) {
        if (!isWhitespace(byte)) throw protocolError(subject, "the engine's stream is not JSON");
      } else if (byte === QUOTE) {
        inString = true;
      } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        depth -= 1;
        if (depth === 0) {
          value.push(chunk.subarray(start, i + 1));
          checkSize(bytes + i + 1 - start, maxValueBytes, subject);
          const text = Buffer.concat(value).toString("utf8");
          value = [];
          bytes = 0;
          yield parse(text, subject);
        }
      }
      if (depth === 0) last = byte;
    }
    if (depth > 0) {
      const rest = chunk.subarray(start);
      bytes += rest.length;
      checkSize(bytes, maxValueBytes, subject);
      value.push(rest);
    }
  }
  if (depth > 0) throw truncatedError(subject, "the engine's stream ended inside a message");
  if (last !== undefined && last !== NEWLINE) {
    throw truncatedError(subject, "the engine's stream ended without its last newline");
  }
}

const PROGRESS = z.looseObject({
  errorDetail: z
    .looseObject({ code: z.number().optional(), message: z.string().optional() })
    .optional(),
  error: z.string().optional(),
});

/**
 * As {@link readJsonStream}, for the streams that report a failure in their last message under HTTP
 * 200: `errorDetail` (or `error`) throws `ERR_ENGINE_STREAM` with the cleaned text in
 * `details.engineMessage`. Messages that are no objects are skipped.
 */
export async function* readProgressStream(
  body: Readable,
  options: JsonStreamOptions,
): AsyncGenerator<Readonly<Record<string, unknown>>, void, undefined> {
  const { subject } = options;
  for await (const value of readJsonStream(body, options)) {
    const message = PROGRESS.safeParse(value);
    if (!message.success) continue;
    const { errorDetail, error } = message.data;
    if (errorDetail !== undefined || error !== undefined) {
      const text = errorDetail?.message ?? error ?? "";
      const engineMessage = boundedText(options.redactor?.redact(text) ?? text);
      throw new EngineError(
        "ERR_ENGINE_STREAM",
        `${subject}: the engine failed: ${engineMessage}`,
        {
          details: {
            subject,
            engineMessage,
            ...(errorDetail?.code === undefined ? {} : { status: errorDetail.code }),
          },
        },
      );
    }
    yield message.data;
  }
}

function isWhitespace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0a || byte === 0x0d;
}

function checkSize(bytes: number, limit: number, subject: string): void {
  if (bytes > limit) {
    throw protocolError(subject, `a message of the engine is longer than ${limit} bytes`);
  }
}

function parse(text: string, subject: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (cause) {
    throw protocolError(subject, "a message of the engine is not JSON", cause);
  }
}
