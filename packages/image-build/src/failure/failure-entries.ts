import type { BuildErrorEntry } from "./build-error-entry.js";
import { parseBuildErrors } from "./parse-build-errors.js";

export interface EntrySource {
  /** What the failed step printed; empty when no step failed. */
  readonly output: readonly string[];
  /** The builder's own words, on one line. */
  readonly reason: string;
  readonly clean: (text: string) => string;
  /** Where in the Dockerfile the step is. */
  readonly instruction?: string | undefined;
  readonly dockerfileLine?: number | undefined;
}

/** What went wrong, at least one: where no tool said anything, the builder's reason. */
export function findEntries(source: EntrySource): readonly BuildErrorEntry[] {
  const { instruction, dockerfileLine } = source;
  const said = parseBuildErrors(source.output.join("\n"), source.clean).entries;
  const entries = said.length > 0 ? said : [reasonOf(source)];
  return entries.map((entry) => ({
    ...entry,
    ...(instruction === undefined ? {} : { instruction }),
    ...(dockerfileLine === undefined ? {} : { dockerfileLine }),
  }));
}

function reasonOf({ reason, clean }: EntrySource): BuildErrorEntry {
  const message = reason === "" ? "the builder gave no reason" : reason;
  const [entry] = parseBuildErrors(`ERROR: ${message}`, clean).entries;
  return { ...(entry ?? { tool: "docker", message: clean(message) }), raw: clean(message) };
}
