import type { Redactor } from "@molecule-ai/core";
import type { LogLine } from "./workspace-backend.js";

const MOST_BYTES = 64 * 1024;

/**
 * The last `count` lines of a log as text that is safe to print: secrets masked, control characters
 * gone, long lines cut. What cannot be read is left out: it accompanies an error, it is none itself.
 */
export async function readLogTail(
  log: AsyncIterable<LogLine>,
  count: number,
  redactor: Redactor,
): Promise<string[]> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const { bytes } of log) {
      chunks.push(bytes);
      length += bytes.length;
      while (length > MOST_BYTES && chunks.length > 1) length -= chunks.shift()?.length ?? 0;
    }
  } catch {
    // The part that was read is better than nothing.
  }
  const lines = redactor.redact(Buffer.concat(chunks).toString("utf8")).split("\n");
  return lines
    .filter((line) => line.trim() !== "")
    .slice(-count)
    .map((line) => (line.length > 500 ? `${line.slice(0, 500)}…` : line));
}
