import { stripControlCharacters } from "@molecule-ai/core";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** One worker of a BuildKit daemon. */
export interface BuildkitWorker {
  readonly id: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `os/arch[/variant]`. */
  readonly platforms: readonly string[];
  /** Of the daemon; undefined before BuildKit 0.11. */
  readonly buildkitVersion: string | undefined;
}

const MOST_WORKERS = 64;
const MOST_ENTRIES = 256;

/**
 * Decodes a `ListWorkersResponse`. Field numbers from
 * https://github.com/moby/buildkit/blob/v0.17.0/api/services/control/control.proto and
 * https://github.com/moby/buildkit/blob/v0.17.0/api/types/worker.proto. Undefined for bytes that are
 * no such message; never throws, and text in it is safe to print.
 */
export function decodeWorkers(bytes: Uint8Array): readonly BuildkitWorker[] | undefined {
  const workers: BuildkitWorker[] = [];
  try {
    eachMessage(bytes, (number, field) => {
      if (number === 1 && workers.length < MOST_WORKERS) workers.push(decodeWorker(field));
    });
  } catch {
    return undefined;
  }
  return workers;
}

/**
 * Whether a worker keeps images in a content store of its own, as buildkitd and engines with
 * containerd's store do. The one inside an engine with the classic store has no exporter for archives
 * and caches. The same test as
 * https://github.com/docker/buildx/blob/v0.13.1/driver/docker/driver.go#L77
 */
export function hasContentStore(labels: Readonly<Record<string, string>>): boolean {
  return labels["org.mobyproject.buildkit.worker.snapshotter"] !== undefined;
}

function decodeWorker(bytes: Uint8Array): BuildkitWorker {
  const labels: [string, string][] = [];
  const platforms: string[] = [];
  let id = "";
  let version = "";
  eachMessage(bytes, (number, field) => {
    if (number === 1) id = text(field);
    else if (number === 2 && labels.length < MOST_ENTRIES) labels.push(decodeEntry(field));
    else if (number === 3 && platforms.length < MOST_ENTRIES) platforms.push(decodePlatform(field));
    else if (number === 5) {
      eachMessage(field, (part, value) => {
        if (part === 2) version = text(value);
      });
    }
  });
  return {
    id,
    labels: Object.fromEntries(labels),
    platforms,
    buildkitVersion: version === "" ? undefined : version,
  };
}

function decodeEntry(bytes: Uint8Array): [string, string] {
  const entry: [string, string] = ["", ""];
  eachMessage(bytes, (number, field) => {
    if (number === 1) entry[0] = text(field);
    else if (number === 2) entry[1] = text(field);
  });
  return entry;
}

function decodePlatform(bytes: Uint8Array): string {
  const parts: [arch: string, os: string, variant: string] = ["", "", ""];
  eachMessage(bytes, (number, field) => {
    if (number >= 1 && number <= 3) parts[number - 1] = text(field);
  });
  const [arch, os, variant] = parts;
  return [os, arch, ...(variant === "" ? [] : [variant])].join("/");
}

function eachMessage(
  bytes: Uint8Array,
  onField: (number: number, field: Uint8Array) => void,
): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wireType] = reader.tag();
    if (wireType === WireType.LengthDelimited) onField(number, reader.bytes());
    else reader.skip(wireType, number);
  }
}

function text(bytes: Uint8Array): string {
  return stripControlCharacters(Buffer.from(bytes).toString("utf8"));
}
