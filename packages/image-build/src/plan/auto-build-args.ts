import type { BuildOptions } from "../image-builder.js";

/** What is known of the source that is built. */
export interface SourceFacts {
  readonly commit?: string | undefined;
  readonly version?: string | undefined;
  /** Time of the commit, RFC 3339; the time of the build would give another image each time. */
  readonly time?: string | undefined;
}

/**
 * `VERSION`, `COMMIT` and `BUILD_DATE` for a Dockerfile that declares them, as far as they are known
 * and the caller has not set them; with all that the caller has set.
 */
export function autoBuildArgs(options: {
  /** Names that the Dockerfile declares. */
  readonly declared: readonly string[];
  readonly source: SourceFacts;
  readonly buildArgs?: BuildOptions["buildArgs"];
}): Readonly<Record<string, string>> {
  const { declared, source, buildArgs = {} } = options;
  const known = { VERSION: source.version, COMMIT: source.commit, BUILD_DATE: source.time };
  const added = Object.entries(known).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && declared.includes(entry[0]) && !Object.hasOwn(buildArgs, entry[0]),
  );
  return { ...Object.fromEntries(added), ...buildArgs };
}
