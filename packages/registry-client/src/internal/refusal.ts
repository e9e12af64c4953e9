import { parseRetryAfter, type Clock, type Redactor } from "@molecule-ai/core";
import { z } from "zod";
import type { Refusal } from "./failures.js";
import type { Answer } from "./http.js";
import { readBody } from "./read-body.js";

const MAX_ERROR_BYTES = 16 * 1024;
const LONGEST_MESSAGE = 300;

/** What reading a refusal needs. */
export interface RefusalReader {
  readonly redactor: Redactor;
  readonly clock: Clock;
}

const ERRORS = z.looseObject({
  errors: z
    .array(z.looseObject({ code: z.string().nullish(), message: z.string().nullish() }))
    .nullish(),
  // Token services.
  details: z.string().nullish(),
  message: z.string().nullish(),
});

/** Reads why a registry refuses; an answer that does not say so is no failure of its own. */
export async function readRefusal(
  answer: Answer,
  about: Pick<Refusal, "host" | "subject" | "hadCredential">,
  { redactor, clock }: RefusalReader,
): Promise<Refusal> {
  const bytes = await readBody(answer.body, MAX_ERROR_BYTES).catch(() => undefined);
  const told = ERRORS.safeParse(parseJson(bytes)).data;
  const first = told?.errors?.[0];
  const message = first?.message ?? told?.details ?? told?.message ?? "";
  const code = first?.code ?? "";
  return {
    ...about,
    status: answer.statusCode,
    registryCode: /^\w{1,64}$/.test(code) ? code : undefined,
    registryMessage: redactor.redact(message).replace(/\s+/g, " ").trim().slice(0, LONGEST_MESSAGE),
    retryAfterMs: parseRetryAfter(headerOf(answer, "retry-after"), clock.now()),
  };
}

/** A header that comes once. */
export function headerOf(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function parseJson(bytes: Buffer | undefined): unknown {
  try {
    return JSON.parse(bytes?.toString("utf8") ?? "");
  } catch {
    return undefined;
  }
}
