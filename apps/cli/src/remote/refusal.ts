import { ProvisionerError, type JsonObject } from "@molecule-ai/core";
import { z } from "zod";

/** What the server says of what it did not do; a server of the older platform sends only `error`. */
const errorBody = z.looseObject({
  error: z.string().max(64 * 1024),
  code: z.string().optional(),
  hint: z.string().max(4096).optional(),
  details: z.record(z.string(), z.json()).optional(),
});

const CODE = /^ERR_[A-Z0-9_]{1,80}$/;
/** For codes that are not ours, or none. */
const CODE_OF_STATUS: Readonly<Record<number, string>> = {
  400: "ERR_REQUEST_INVALID",
  401: "ERR_UNAUTHENTICATED",
  403: "ERR_FORBIDDEN",
  404: "ERR_NOT_FOUND",
  409: "ERR_CONFLICT",
  413: "ERR_REQUEST_TOO_LARGE",
  429: "ERR_RATE_LIMITED",
  503: "ERR_STORE_UNAVAILABLE",
};
const LONGEST_MESSAGE = 2000;

/** The error that a body tells of, with the server's own code and hint; undefined: it tells of none. */
export function readRefusal(
  body: unknown,
  answer: { readonly status: number; readonly origin: string },
): ProvisionerError | undefined {
  const parsed = errorBody.safeParse(body);
  if (!parsed.success) return undefined;
  const { error, code: said, hint, details, ...facts } = parsed.data;
  const code = CODE.test(said ?? "") ? said : CODE_OF_STATUS[answer.status];
  if (code === undefined) return undefined;
  return new ProvisionerError(code, error.slice(0, LONGEST_MESSAGE), {
    hint: code === "ERR_UNAUTHENTICATED" ? loginHint(answer.origin) : hint,
    retryable: answer.status === 429 || answer.status === 503,
    details: { ...(facts as JsonObject), ...(details as JsonObject | undefined) },
  });
}

/** What to do when a server wants a token, or another one. */
export function loginHint(origin: string): string {
  return `Store a token with: login --server ${origin}, or name a file with --token-file.`;
}
