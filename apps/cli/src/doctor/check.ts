/** `warning` works, but not as well as it could; only `failed` makes `doctor` exit with 1. */
export type CheckStatus = "ok" | "warning" | "failed" | "skipped";

/** What was found out about one thing, and what to do when it is not well. */
export interface Check {
  readonly name: string;
  readonly status: CheckStatus;
  readonly message: string;
  readonly remedy?: string | undefined;
  /** Error code behind a failure. */
  readonly code?: string | undefined;
}

export const ok = (name: string, message: string): Check => ({ name, status: "ok", message });
export const skipped = (name: string, message: string): Check => ({
  name,
  status: "skipped",
  message,
});
