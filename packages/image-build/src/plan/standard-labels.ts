import type { SourceFacts } from "./auto-build-args.js";

export interface StandardLabelsOptions {
  /** Of what is built, never of the program that builds it. */
  readonly source: SourceFacts;
  /** How it is built: `standard` unless said otherwise, such as the second build of a comparison. */
  readonly mode?: string | undefined;
  /** Of `hashPlan`. */
  readonly planHash?: string | undefined;
  /** What our own labels begin with; default `molecule.image`. */
  readonly prefix?: string | undefined;
  /** Win over the standard ones. */
  readonly labels?: Readonly<Record<string, string>> | undefined;
}

const DEFAULT_PREFIX = "molecule.image";

/** The labels that say what an image was made of. `created` is the time of the commit. */
export function standardLabels(options: StandardLabelsOptions): Readonly<Record<string, string>> {
  const { source, planHash, mode, labels = {} } = options;
  const prefix = options.prefix ?? DEFAULT_PREFIX;
  const standard = {
    "org.opencontainers.image.created": source.time,
    "org.opencontainers.image.revision": source.commit,
    "org.opencontainers.image.version": source.version,
    [`${prefix}.build.mode`]: mode === undefined || mode === "" ? "standard" : mode,
    [`${prefix}.plan.sha256`]: planHash,
  };
  const known = Object.entries(standard).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && entry[1] !== "",
  );
  return { ...Object.fromEntries(known), ...labels };
}
