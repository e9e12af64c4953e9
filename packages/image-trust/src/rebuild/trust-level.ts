import type { ImageComparison } from "./compare-images.js";

/**
 * How alike two builds of the same commit are. `viable`: both built. `consistent`: the same files,
 * and the same settings, but not the same content. `deterministic`: the same content, but for times
 * and order. `reproducible`: the very same image.
 */
export type TrustLevel = "viable" | "consistent" | "deterministic" | "reproducible";

export const TRUST_LEVELS: readonly TrustLevel[] = [
  "viable",
  "consistent",
  "deterministic",
  "reproducible",
];

export type CheckName = "image" | "files" | "settings" | "build graph" | "base images";

export interface RebuildCheck {
  readonly name: CheckName;
  /** `artifact`: of what was built; `execution`: of how. */
  readonly group: "artifact" | "execution";
  readonly status: "match" | "differs" | "info" | "unavailable";
  readonly detail: string;
}

/** Settings or a graph that differ mean that not the same thing was built, and no comparison counts. */
export function isHardFailure({ name, status }: RebuildCheck): boolean {
  return status === "differs" && (name === "settings" || name === "build graph");
}

/** The level that a set of checks reaches: the first rule that holds. */
export function trustLevelOf(checks: readonly RebuildCheck[]): TrustLevel {
  const matches = (name: CheckName): boolean =>
    checks.some((check) => check.name === name && check.status === "match");
  if (checks.some(isHardFailure)) return "viable";
  if (matches("image")) return "reproducible";
  if (matches("files")) return "deterministic";
  if (matches("settings") && matches("build graph")) return "consistent";
  return "viable";
}

const LABELS: Readonly<Record<TrustLevel, string>> = {
  viable: "determinism not achieved",
  consistent: "content differs",
  deterministic: "content identical",
  reproducible: "image identical",
};

/** `deterministic (content identical)`. */
export function describeTrustLevel(level: TrustLevel): string {
  return `${level} (${LABELS[level]})`;
}

/** True when `level` is at least `wanted`. */
export function reaches(level: TrustLevel, wanted: TrustLevel): boolean {
  return TRUST_LEVELS.indexOf(level) >= TRUST_LEVELS.indexOf(wanted);
}

/** What of an image's configuration decides how it behaves. */
const SETTINGS =
  /^(?:architecture|os|variant|config\.(?:Env|Cmd|Entrypoint|User|WorkingDir|ExposedPorts|Volumes|StopSignal|Healthcheck|Shell)\b)/;

export interface BuildFacts {
  /** Digest over all that was asked for; undefined when it is not known. */
  readonly graph: string | undefined;
  /** What the base images turned out to be; undefined when that is not known. */
  readonly bases: readonly string[] | undefined;
}

/** The checks of two builds, from what they are and how they were made. Pure. */
export function checkRebuild(
  comparison: ImageComparison,
  first: BuildFacts,
  second: BuildFacts,
): readonly RebuildCheck[] {
  const settings = comparison.config.filter(({ field }) => SETTINGS.test(field));
  const telling = comparison.files.filter(({ kinds }) => !kinds.every((kind) => kind === "time"));
  return [
    {
      name: "image",
      group: "artifact",
      status: comparison.isIdentical ? "match" : "info",
      detail: comparison.isIdentical ? "the same bytes" : summaryOf(comparison),
    },
    {
      name: "files",
      group: "artifact",
      status: telling.length === 0 && !comparison.isCut ? "match" : "differs",
      detail:
        telling.length === 0
          ? "the same content, modes and owners"
          : `${telling.length} differ, the first is ${telling[0]?.path ?? ""}`,
    },
    {
      name: "settings",
      group: "artifact",
      status: settings.length === 0 ? "match" : "differs",
      detail: settings.length === 0 ? "the same" : settings.map(({ field }) => field).join(", "),
    },
    {
      name: "build graph",
      group: "execution",
      ...compareFact(first.graph, second.graph),
    },
    {
      name: "base images",
      group: "execution",
      ...compareBases(first.bases, second.bases),
    },
  ];
}

function compareFact(
  first: string | undefined,
  second: string | undefined,
): Pick<RebuildCheck, "status" | "detail"> {
  if (first === undefined || second === undefined) {
    return { status: "unavailable", detail: "what was asked for is not known" };
  }
  return first === second
    ? { status: "match", detail: "identical" }
    : { status: "differs", detail: `first ${shorten(first)}, second ${shorten(second)}` };
}

/** Other bases explain a difference; the same image from other bases is still the same image. */
function compareBases(
  first: readonly string[] | undefined,
  second: readonly string[] | undefined,
): Pick<RebuildCheck, "status" | "detail"> {
  if (first === undefined || second === undefined) {
    return { status: "unavailable", detail: "which base images were used is not known" };
  }
  return sameList(first, second)
    ? { status: "match", detail: "the same" }
    : { status: "info", detail: "a base image changed in between" };
}

function summaryOf({ files, config, layers }: ImageComparison): string {
  const times = files.filter(({ kinds }) => kinds.every((kind) => kind === "time")).length;
  const parts = [
    `${layers.length} layers`,
    `${files.length} files (${times} only in their times)`,
    `${config.length} fields of the configuration`,
  ];
  return `differs in ${parts.join(", ")}`;
}

function sameList(first: readonly string[], second: readonly string[]): boolean {
  return first.length === second.length && first.every((item, at) => item === second[at]);
}

function shorten(hash: string): string {
  return hash.length <= 20 ? hash : `${hash.slice(0, 20)}...`;
}
