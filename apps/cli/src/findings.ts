import type { ErrorRecord, JsonValue } from "@molecule-ai/core";

/** As a failed build tells them; more would hide the hint. */
const MAX_FINDINGS = 15;

/**
 * What the tools of a failed build step said, one line each. Details may come from another program:
 * what has no message is passed over, and so is what the error's own sentence says already.
 */
export function findingsOf({ details, message }: ErrorRecord): readonly string[] {
  const entries = details["entries"];
  if (!Array.isArray(entries)) return [];
  return entries
    .map((entry: JsonValue) => describe(entry, message))
    .filter((line) => line !== undefined)
    .slice(0, MAX_FINDINGS);
}

function describe(entry: JsonValue, said: string): string | undefined {
  if (typeof entry !== "object" || entry === null || Array.isArray(entry)) return undefined;
  const { file, line, col, message, tool } = entry as Readonly<Record<string, JsonValue>>;
  if (typeof message !== "string" || said.includes(message)) return undefined;
  const place = [file, line, line === undefined ? undefined : col].filter(
    (part) => typeof part === "string" || typeof part === "number",
  );
  if (typeof file === "string") return `${place.join(":")}: ${message}`;
  return typeof tool === "string" && tool !== "generic" ? `${tool}: ${message}` : message;
}
