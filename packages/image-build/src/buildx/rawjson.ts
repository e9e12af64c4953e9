import type {
  BuildTrace,
  TraceLog,
  TraceStatus,
  TraceVertex,
  TraceWarning,
} from "../progress/build-trace.js";

type Fields = Readonly<Record<string, unknown>>;

/**
 * One object of `--progress=rawjson` as a progress message of BuildKit: Go's `client.SolveStatus`,
 * https://github.com/moby/buildkit/blob/v0.13.1/client/graph.go. Whatever is not as it should be is
 * left out, since the result of a build does not depend on it.
 *
 * By hand and not by a schema: a build that talks much sends thousands of them a second.
 */
export function readSolveStatus(value: object): BuildTrace {
  const { vertexes, statuses, logs, warnings } = value as Fields;
  return {
    vertexes: each(vertexes, readVertex),
    statuses: each(statuses, readStatus),
    logs: each(logs, readLog),
    warnings: each(warnings, readWarning),
  };
}

function readVertex(fields: Fields): TraceVertex | undefined {
  const digest = text(fields["digest"]);
  if (digest === "") return undefined;
  return {
    digest,
    name: text(fields["name"]),
    cached: fields["cached"] === true,
    startedAt: parseTime(fields["started"]),
    completedAt: parseTime(fields["completed"]),
    error: text(fields["error"]),
  };
}

function readStatus(fields: Fields): TraceStatus | undefined {
  const id = text(fields["id"]);
  const vertex = text(fields["vertex"]);
  if (id === "" || vertex === "") return undefined;
  return {
    id,
    vertex,
    name: text(fields["name"]),
    current: count(fields["current"]),
    total: count(fields["total"]),
  };
}

function readLog(fields: Fields): TraceLog | undefined {
  const vertex = text(fields["vertex"]);
  if (vertex === "") return undefined;
  return {
    vertex,
    stream: count(fields["stream"]),
    bytes: Buffer.from(text(fields["data"]), "base64"),
  };
}

function readWarning(fields: Fields): TraceWarning | undefined {
  const said = Buffer.from(text(fields["short"]), "base64").toString("utf8");
  if (said === "") return undefined;
  return { vertex: text(fields["vertex"]), text: said, url: text(fields["url"]) };
}

function each<T>(values: unknown, read: (fields: Fields) => T | undefined): T[] {
  if (!Array.isArray(values)) return [];
  const found: T[] = [];
  for (const value of values as unknown[]) {
    if (typeof value !== "object" || value === null) continue;
    const one = read(value as Fields);
    if (one !== undefined) found.push(one);
  }
  return found;
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function count(value: unknown): number {
  return typeof value === "number" && value >= 0 ? value : 0;
}

/** Unix milliseconds with their fraction of an RFC 3339 time with up to nine digits of second. */
function parseTime(value: unknown): number | undefined {
  if (typeof value !== "string") return undefined;
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(value);
  if (found === null) return undefined;
  const [, second = "", fraction = "", zone = ""] = found;
  const whole = Date.parse(`${second}${zone}`);
  return Number.isNaN(whole) ? undefined : whole + Number(`0.${fraction || "0"}`) * 1000;
}
