import { renderRow } from "../render/section.js";
import { formatEntry, surfaceErrors, type SurfaceOptions } from "./error-surface.js";

/**
 * The rows of a section that tell why a build failed. Empty only for empty text of a build that is
 * not known to have failed.
 */
export function renderBuildError(text: string, options: SurfaceOptions = {}): string {
  const { entries, tail, truncatedLines, note } = surfaceErrors(text, options);
  const rows = entries.map((entry) => indented(formatEntry(entry)));
  if (rows.length > 0 && tail.length > 0) rows.push("");
  if (truncatedLines > 0) rows.push(indented(`... (${truncatedLines} lines truncated)`));
  rows.push(...tail.map(indented));
  if (note !== undefined) rows.push(indented(note));
  return rows.map((row) => renderRow(row)).join("");
}

function indented(text: string): string {
  return `  ${text}`;
}
