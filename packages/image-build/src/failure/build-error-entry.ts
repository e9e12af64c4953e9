/** One error that a tool reported during a build. Clean: no control characters, no secrets. */
export interface BuildErrorEntry {
  /** `go`, `npm`, `gcc`, `docker` …; `generic` for a line that only looks like an error. */
  readonly tool: string;
  /** As the tool names it, so inside the image. */
  readonly file?: string | undefined;
  /** From 1. */
  readonly line?: number | undefined;
  /** From 1. */
  readonly col?: number | undefined;
  readonly message: string;
  /** The line it was read from, prefixes and all. */
  readonly raw: string;
  /** What a person can do about it. */
  readonly hint?: string | undefined;
  /** The tool's own: `TS2304`, `E0308`, `ERESOLVE`. */
  readonly code?: string | undefined;
  /** Where in the Dockerfile the step is that printed it. */
  readonly instruction?: string | undefined;
  readonly dockerfileLine?: number | undefined;
}

/** `src/a.go:10:2`; empty when no file is known. */
export function entryPlace({ file, line, col }: BuildErrorEntry): string {
  if (file === undefined) return "";
  return [file, line, line === undefined ? undefined : col]
    .filter((part) => part !== undefined)
    .join(":");
}
