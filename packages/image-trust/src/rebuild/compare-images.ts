import type { JsonObject, JsonValue } from "@molecule-ai/core";
import type { ImageContents, LayerContents, LayerEntry } from "./image-contents.js";

/** In what a file differs between two builds. */
export type FileDifferenceKind =
  "only-first" | "only-second" | "type" | "content" | "link" | "mode" | "owner" | "time";

export interface FileDifference {
  readonly layer: number;
  readonly path: string;
  /** Most telling first. */
  readonly kinds: readonly FileDifferenceKind[];
  /** As people would say it: `2026-01-01T00:00:00Z, then 2026-01-02T00:00:00Z`. */
  readonly detail: string;
}

export interface ConfigDifference {
  /** `config.Env`, `created`, `history[3].created` … */
  readonly field: string;
  readonly first: JsonValue | undefined;
  readonly second: JsonValue | undefined;
}

export interface LayerDifference {
  readonly layer: number;
  readonly first: string | undefined;
  readonly second: string | undefined;
  /** The same entries, in another order. */
  readonly isReordered: boolean;
}

/** All that is not the same in two images. Empty lists mean the same bytes. */
export interface ImageComparison {
  readonly isIdentical: boolean;
  readonly config: readonly ConfigDifference[];
  readonly layers: readonly LayerDifference[];
  readonly files: readonly FileDifference[];
  /** True when more files differ than are listed. */
  readonly isCut: boolean;
}

const MOST_DIFFERENCES = 1000;

/** Compares two images field by field, layer by layer and file by file. Pure. */
export function compareImages(first: ImageContents, second: ImageContents): ImageComparison {
  const config: ConfigDifference[] = [];
  compareJson(first.config, second.config, "", config);
  const layers: LayerDifference[] = [];
  const files: FileDifference[] = [];
  for (let layer = 0; layer < Math.max(first.layers.length, second.layers.length); layer += 1) {
    const [one, other] = [first.layers[layer], second.layers[layer]];
    if (one?.diffId === other?.diffId) continue;
    const found = compareLayers(layer, one, other);
    layers.push({
      layer,
      first: one?.diffId,
      second: other?.diffId,
      isReordered: found.length === 0 && !sameOrder(one, other),
    });
    files.push(...found);
  }
  return {
    isIdentical: first.id === second.id,
    config: config.slice(0, MOST_DIFFERENCES),
    layers,
    files: files.slice(0, MOST_DIFFERENCES),
    isCut: files.length > MOST_DIFFERENCES || config.length > MOST_DIFFERENCES,
  };
}

function compareLayers(
  layer: number,
  first: LayerContents | undefined,
  second: LayerContents | undefined,
): FileDifference[] {
  const others = new Map(second?.entries.map((entry) => [entry.path, entry]));
  const differences: FileDifference[] = [];
  for (const entry of first?.entries ?? []) {
    const other = others.get(entry.path);
    others.delete(entry.path);
    const found = other === undefined ? onlyIn("only-first", entry) : compareEntries(entry, other);
    if (found !== undefined) differences.push({ layer, path: entry.path, ...found });
  }
  for (const entry of others.values()) {
    differences.push({ layer, path: entry.path, ...onlyIn("only-second", entry) });
  }
  return differences;
}

type Found = Pick<FileDifference, "kinds" | "detail">;

function onlyIn(kind: "only-first" | "only-second", entry: LayerEntry): Found {
  return { kinds: [kind], detail: `a ${entry.type} of ${entry.sizeBytes} bytes` };
}

function compareEntries(a: LayerEntry, b: LayerEntry): Found | undefined {
  const found: [FileDifferenceKind, string][] = [];
  const look = (kind: FileDifferenceKind, one: string, other: string): void => {
    if (one !== other) found.push([kind, `${one}, then ${other}`]);
  };
  look("type", a.type, b.type);
  look("content", contentOf(a), contentOf(b));
  look("link", a.target, b.target);
  look("mode", octal(a.mode), octal(b.mode));
  look("owner", `${a.uid}:${a.gid}`, `${b.uid}:${b.gid}`);
  look("time", instant(a.modifiedAt), instant(b.modifiedAt));
  if (found.length === 0) return undefined;
  return {
    kinds: found.map(([kind]) => kind),
    detail: found.map(([kind, detail]) => `${kind} ${detail}`).join("; "),
  };
}

function contentOf({ digest, sizeBytes }: LayerEntry): string {
  return digest === "" ? "" : `${digest.slice(0, 19)} (${sizeBytes} bytes)`;
}

function octal(mode: number): string {
  return `0${(mode & 0o7777).toString(8).padStart(3, "0")}`;
}

function instant(seconds: number): string {
  const date = new Date(seconds * 1000);
  return Number.isNaN(date.getTime()) ? `${seconds} s` : date.toISOString().replace(".000Z", "Z");
}

function sameOrder(first: LayerContents | undefined, second: LayerContents | undefined): boolean {
  const paths = (layer: LayerContents | undefined): string =>
    (layer?.entries ?? []).map(({ path }) => path).join("\0");
  return paths(first) === paths(second);
}

/** Arrays are compared place by place: in a configuration their order means something. */
function compareJson(
  first: JsonValue | undefined,
  second: JsonValue | undefined,
  field: string,
  found: ConfigDifference[],
): void {
  if (isObject(first) && isObject(second)) {
    for (const key of new Set([...Object.keys(first), ...Object.keys(second)])) {
      compareJson(first[key], second[key], field === "" ? key : `${field}.${key}`, found);
    }
  } else if (Array.isArray(first) && Array.isArray(second)) {
    for (let at = 0; at < Math.max(first.length, second.length); at += 1) {
      compareJson(first[at], second[at], `${field}[${at}]`, found);
    }
  } else if (first !== second) {
    found.push({ field, first, second });
  }
}

function isObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
