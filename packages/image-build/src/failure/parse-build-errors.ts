import { stripControlCharacters } from "@molecule-ai/core";
import type { BuildErrorEntry } from "./build-error-entry.js";
import { stripLogPrefix } from "./log-prefix.js";
import { ALL_TOOLS } from "./tools/all-tools.js";
import { conditionHint } from "./tools/conditions.js";
import type { ToolFinding } from "./tools/tool-parser.js";

/** What tools said in the output of a build. */
export interface ParsedBuildErrors {
  /** At most 15, in the order they were said. */
  readonly entries: readonly BuildErrorEntry[];
  /** All lines, clean. */
  readonly lines: readonly string[];
}

const MAX_ENTRIES = 15;
/** Different ones among which the best are chosen. */
const MAX_FINDINGS = 500;
const MAX_LINE_LENGTH = 2000;
const MAX_MESSAGE_LENGTH = 500;

interface Found {
  readonly at: number;
  readonly minor: boolean;
  readonly entry: BuildErrorEntry;
}

/**
 * Looks for errors in what a build printed: the text of buildx with its prefixes, or the plain lines
 * of a step. Linear, and never throws; `clean` makes untrusted text printable and free of secrets.
 */
export function parseBuildErrors(
  text: string,
  clean: (text: string) => string = stripControlCharacters,
): ParsedBuildErrors {
  const cleaned = clean(text).trim();
  if (cleaned === "") return { entries: [], lines: [] };
  const lines = cleaned.split("\n");
  return { entries: choose(find(lines)), lines };
}

function find(lines: readonly string[]): readonly Found[] {
  const bare = lines.map((line) => stripLogPrefix(line.slice(0, MAX_LINE_LENGTH)).trimEnd());
  const found = new Map<string, Found>();
  for (let at = 0; at < bare.length && found.size < MAX_FINDINGS;) {
    const finding = findAt(bare, at);
    if (finding !== undefined) {
      const entry = describe(finding, lines[at] ?? "");
      const key = JSON.stringify([entry.tool, entry.file, entry.line, entry.col, entry.message]);
      // The error block repeats what the step printed.
      if (!found.has(key)) found.set(key, { at, minor: finding.minor === true, entry });
    }
    at += finding?.taken ?? 1;
  }
  return withoutEchoes([...found.values()]);
}

function findAt(lines: readonly string[], at: number): ToolFinding | undefined {
  if (lines[at] === "") return undefined;
  for (const parse of ALL_TOOLS) {
    const finding = parse(lines, at);
    if (finding !== undefined) return finding;
  }
  return undefined;
}

function describe({ entry }: ToolFinding, raw: string): BuildErrorEntry {
  return {
    ...withoutUndefined({ ...entry, hint: entry.hint ?? conditionHint(entry.message) }),
    message: entry.message.trim().slice(0, MAX_MESSAGE_LENGTH),
    raw: raw.trim().slice(0, MAX_LINE_LENGTH),
  };
}

/** The builder says a reason for the step and says it again, with more words, for the build. */
function withoutEchoes(all: readonly Found[]): readonly Found[] {
  const said = all.filter(({ entry }) => entry.tool === "docker");
  const last = said.at(-1);
  return all.filter(
    (one) =>
      one === last ||
      one.entry.tool !== "docker" ||
      last?.entry.message.endsWith(`: ${one.entry.message}`) !== true,
  );
}

/** Tools whose word counts only where no other has one. */
const LAST_RESORT = new Set(["generic", "process"]);

/** What says why comes before what only says that; shown in the order it was said. */
function choose(found: readonly Found[]): readonly BuildErrorEntry[] {
  const known = found.filter(({ entry }) => !LAST_RESORT.has(entry.tool));
  const all = known.some(({ minor }) => !minor) ? known : found;
  if (all.length <= MAX_ENTRIES) return all.map(({ entry }) => entry);
  const ranked = [...all.filter(({ minor }) => !minor), ...all.filter(({ minor }) => minor)];
  return ranked
    .slice(0, MAX_ENTRIES)
    .toSorted((a, b) => a.at - b.at)
    .map(({ entry }) => entry);
}

function withoutUndefined<T extends object>(value: T): T {
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as T;
}
