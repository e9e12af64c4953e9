import { stripControlCharacters } from "@molecule-ai/core";
import { entryPlace, type BuildErrorEntry } from "./build-error-entry.js";
import { parseBuildErrors } from "./parse-build-errors.js";

export interface SurfaceOptions {
  /** Makes untrusted text printable and free of secrets. */
  readonly clean?: ((text: string) => string) | undefined;
  /** Set for a build that is known to have failed: then there is always something to show. */
  readonly failed?: { readonly exitCode?: number | undefined } | undefined;
  /** All lines instead of the last ones. */
  readonly verbose?: boolean | undefined;
}

/** What is shown of a failed build: what tools said, or else its last lines, or else that it was silent. */
export interface ErrorSurface {
  readonly entries: readonly BuildErrorEntry[];
  /** The end of the output, without blank lines. */
  readonly tail: readonly string[];
  /** Lines above the tail, told when there is nothing but it. */
  readonly truncatedLines: number;
  /** For a failed build that printed nothing. */
  readonly note: string | undefined;
}

const TAIL_LINES = 5;
/** Without entries the tail is all there is. */
const FALLBACK_LINES = 10;

export function surfaceErrors(text: string, options: SurfaceOptions = {}): ErrorSurface {
  const { clean = stripControlCharacters, failed, verbose = false } = options;
  const { entries, lines } = parseBuildErrors(text, clean);
  const shown = verbose ? lines.length : entries.length > 0 ? TAIL_LINES : FALLBACK_LINES;
  const tail = lines.slice(-Math.max(1, shown)).filter((line) => line.trim() !== "");
  return {
    entries,
    tail,
    truncatedLines: entries.length > 0 ? 0 : Math.max(0, lines.length - shown),
    note: lines.length === 0 && failed !== undefined ? silence(failed.exitCode) : undefined,
  };
}

function silence(exitCode: number | undefined): string {
  const how = exitCode === undefined ? "failed" : `failed with exit code ${exitCode}`;
  return `The build ${how} and printed nothing.`;
}

/** `[go] main.go:3:4: undefined: x`; a line of no known tool stays as it was. */
export function formatEntry(entry: BuildErrorEntry): string {
  const place = entry.line === undefined ? "" : entryPlace(entry);
  if (place !== "") return `[${entry.tool}] ${place}: ${entry.message}`;
  return entry.tool === "generic" ? entry.raw : `[${entry.tool}] ${entry.message}`;
}
