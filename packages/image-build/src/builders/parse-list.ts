import { stripControlCharacters } from "@molecule-ai/core";
import { z } from "zod";
import { isComplete, type BuilderGcRule, type BuilderInfo } from "./builder-info.js";

const text = z
  .string()
  .nullish()
  .transform((value) => stripControlCharacters(value ?? ""));
const bytes = z.number().nonnegative().nullish();

// https://github.com/docker/buildx/blob/v0.13.1/builder/node.go#L155, and the later names of spaces.
const GC_RULE = z.looseObject({
  all: z.boolean().nullish(),
  filter: z.array(z.string()).nullish(),
  keepDuration: z.number().nonnegative().nullish(),
  keepBytes: bytes,
  reservedSpace: bytes,
  maxUsedSpace: bytes,
  minFreeSpace: bytes,
});

const NODE = z.looseObject({
  Name: text,
  Endpoint: text,
  Status: text,
  Err: text,
  Version: text,
  Flags: z.array(z.string()).nullish(),
  DriverOpts: z.record(z.string(), z.string()).nullish(),
  Platforms: z.array(z.string()).nullish(),
  Labels: z.record(z.string(), z.string()).nullish(),
  GCPolicy: z.array(GC_RULE).nullish(),
});

const BUILDER = z.looseObject({
  Name: text,
  Driver: text,
  LastActivity: text,
  Err: z.unknown().optional(),
  Nodes: z.array(NODE).nullish(),
});

/**
 * Reads `buildx ls --format=json`: one builder a line, which version 0.13 prints once for each node
 * and again for the builder itself. Lines that are something else are left out.
 */
export function parseList(output: string): readonly BuilderInfo[] {
  const builders = new Map<string, BuilderInfo>();
  for (const line of output.split("\n")) {
    const parsed = BUILDER.safeParse(readJson(line));
    if (!parsed.success || parsed.data.Name === "") continue;
    const { Name: name, Driver: driver, LastActivity, Err, Nodes } = parsed.data;
    const nodes = (Nodes ?? []).map((node) => ({
      name: node.Name,
      endpoint: node.Endpoint,
      status: node.Status,
      error: node.Err || undefined,
      buildkitVersion: node.Version || undefined,
      platforms: node.Platforms ?? [],
      driverOptions: node.DriverOpts ?? {},
      labels: node.Labels ?? {},
      flags: node.Flags?.join(" "),
      gcRules: (node.GCPolicy ?? []).map(readRule),
    }));
    builders.set(name, {
      name,
      driver,
      lastActivity: isGoZeroTime(LastActivity) ? undefined : LastActivity,
      error: typeof Err === "string" && Err !== "" ? stripControlCharacters(Err) : undefined,
      nodes,
      complete: isComplete(driver, nodes),
    });
  }
  return [...builders.values()];
}

function readJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function isGoZeroTime(time: string): boolean {
  return time === "" || time.startsWith("0001-01-01");
}

function readRule(rule: z.infer<typeof GC_RULE>): BuilderGcRule {
  const space = (value: number | null | undefined): string | undefined =>
    value === undefined || value === null || value === 0 ? undefined : formatSpace(value);
  return {
    all: rule.all === true,
    scope: (rule.filter ?? []).join(","),
    keepDuration: rule.keepDuration ? formatNanoseconds(rule.keepDuration) : undefined,
    keepBytes: space(rule.keepBytes),
    reserved: space(rule.reservedSpace),
    maxUsed: space(rule.maxUsedSpace),
    minFree: space(rule.minFreeSpace),
  };
}

/** As the text form has it: `48h0m0s`. */
function formatNanoseconds(nanoseconds: number): string {
  const seconds = nanoseconds / 1e9;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  const rest = `${Number((seconds % 60).toFixed(3))}s`;
  if (hours > 0) return `${hours}h${minutes}m${rest}`;
  return minutes > 0 ? `${minutes}m${rest}` : rest;
}

/** As the text form has it, four digits: `488.3MiB`. */
function formatSpace(size: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let value = size;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${Number(value.toPrecision(4))}${units[unit] ?? ""}`;
}
