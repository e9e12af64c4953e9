import type { Severity } from "@molecule-ai/dockerfile";
import { invalidOption } from "./invalid-option.js";

const FORMATS = ["table", "json", "cyclonedx"] as const;
const SEVERITIES: readonly Severity[] = ["low", "medium", "high"];

/** How `inventory` prints. */
export type InventoryFormat = (typeof FORMATS)[number];

export function parseInventoryFormat(text: string): InventoryFormat {
  const format = FORMATS.find((known) => known === text);
  if (format !== undefined) return format;
  throw invalidOption("--format", text, `Give one of ${FORMATS.join(", ")}.`);
}

/** The least severity that counts. */
export function parseSeverity(text: string): Severity {
  const severity = SEVERITIES.find((known) => known === text);
  if (severity !== undefined) return severity;
  throw invalidOption("--findings-threshold", text, `Give one of ${SEVERITIES.join(", ")}.`);
}
