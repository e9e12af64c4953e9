import { z } from "zod";
import { parseDockerSize } from "../units/byte-size.js";

/** What the cache of a builder takes up, to the three or four digits that buildx prints. */
export interface BuilderUsage {
  readonly totalBytes: number;
  /** What no build uses at the moment; undefined when buildx does not say. */
  readonly reclaimableBytes: number | undefined;
}

const LONGEST_LINE = 64 * 1024;
const RECORD = z.looseObject({
  Size: z.union([z.string(), z.number().nonnegative()]),
  Reclaimable: z.boolean().optional(),
});

/** Reads `buildx du --format json`: one JSON object per line. Undefined when it is none. Linear, never throws. */
export function parseUsageJson(text: string): BuilderUsage | undefined {
  let totalBytes = 0;
  let reclaimableBytes = 0;
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const record = line.length > LONGEST_LINE ? undefined : parseRecord(line);
    const bytes = record === undefined ? undefined : sizeOf(record.Size);
    if (record === undefined || bytes === undefined) return undefined;
    totalBytes += bytes;
    if (record.Reclaimable === true) reclaimableBytes += bytes;
  }
  return { totalBytes, reclaimableBytes };
}

/** Reads the table of `buildx du`. Undefined when it has no total. Linear, never throws. */
export function parseUsageText(text: string): BuilderUsage | undefined {
  const totalBytes = sizeAfter(text, "Total:");
  if (totalBytes === undefined) return undefined;
  return { totalBytes, reclaimableBytes: sizeAfter(text, "Reclaimable:") };
}

/** What `buildx prune` says it freed; undefined when it does not say. Linear, never throws. */
export function parseReclaimed(text: string): number | undefined {
  return sizeAfter(text, "Total:");
}

/** The summary is at the end; records before it may hold anything. */
function sizeAfter(text: string, label: string): number | undefined {
  const line = text.split("\n").findLast((candidate) => candidate.startsWith(label));
  return line === undefined ? undefined : sizeOf(line.slice(label.length));
}

function parseRecord(line: string): z.infer<typeof RECORD> | undefined {
  try {
    return RECORD.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function sizeOf(size: string | number): number | undefined {
  if (typeof size === "number") return size;
  try {
    // A star marks what is shared with an image.
    return parseDockerSize(size.trim().replace(/\*$/, ""));
  } catch {
    return undefined;
  }
}
