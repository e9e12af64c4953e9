import { stripControlCharacters } from "@molecule-ai/core";

export type SectionStatus = "success" | "failed" | "warning" | "other";

/** One line inside a section. Text may come from outside: it is made safe and kept on one line. */
export type SectionRow =
  | string
  | {
      readonly label: string;
      /** Empty when the status alone says it. */
      readonly value: string;
      /** Shown as an icon before the value. */
      readonly status?: SectionStatus | undefined;
    }
  | { readonly separator: true };

export interface SectionOptions {
  /** Shown at the end of the header. */
  readonly elapsedMs?: number | undefined;
  /** ANSI colours; default false. */
  readonly color?: boolean | undefined;
}

const INDENT = "    ";
const HEADER_BYTES = 65;
const RULE = "─".repeat(61);
const LABEL_WIDTH = 14;

const ICONS = {
  success: { icon: "✓", code: "32" },
  failed: { icon: "✗", code: "31" },
  warning: { icon: "⚠", code: "33" },
  other: { icon: "⊘", code: "90" },
} as const satisfies Record<SectionStatus, { icon: string; code: string }>;

const HEADER_CODE = "2;36";

/** A framed block for terminals and logs: header, rows, closing rule; ends with a newline. */
export function renderSection(
  name: string,
  rows: readonly SectionRow[],
  options: SectionOptions = {},
): string {
  const { color = false } = options;
  const label = `── ${oneLine(name)} `;
  const suffix = options.elapsedMs === undefined ? "──" : ` ${formatElapsed(options.elapsedMs)} ──`;
  // Byte lengths: the width other readers of this format rely on.
  const fill = Math.max(1, HEADER_BYTES - Buffer.byteLength(label) - Buffer.byteLength(suffix));
  const header = paint(`${label}${"─".repeat(fill)}${suffix}`, HEADER_CODE, color);
  const body = rows.map((row) => renderRow(row, color)).join("");
  return `\n${INDENT}${header}\n${body}${INDENT}└${RULE}\n`;
}

/** One row of a section without its frame, with its newline. */
export function renderRow(row: SectionRow, color = false): string {
  if (typeof row === "string") return `${INDENT}│ ${oneLine(row)}\n`;
  if ("separator" in row) return `${INDENT}├${RULE}\n`;
  const icon = row.status === undefined ? "" : statusIcon(row.status, color);
  const value = [icon, oneLine(row.value)].filter((part) => part !== "").join(" ");
  return `${INDENT}│ ${oneLine(row.label).padEnd(LABEL_WIDTH)}${value}\n`;
}

/** The icon of a status, coloured when asked. */
export function statusIcon(status: SectionStatus, color = false): string {
  const { icon, code } = ICONS[status];
  return paint(icon, code, color);
}

/** `850ms` below one second, else `75.0s`. */
export function formatElapsed(ms: number): string {
  return ms < 1000 ? `${Math.max(0, Math.floor(ms))}ms` : `${(ms / 1000).toFixed(1)}s`;
}

function paint(text: string, code: string, color: boolean): string {
  return color ? `\u001b[${code}m${text}\u001b[0m` : text;
}

function oneLine(text: string): string {
  return stripControlCharacters(text).replace(/[\n\t]+/g, " ");
}
