import type { Provenance } from "@molecule-ai/image-trust";
import { z } from "zod";

/** How an image came to be, as its builder wrote it down. */
export const provenanceView = z
  .object({
    builder: z.string(),
    build_type: z.string(),
    repository: z.string().nullable(),
    commit: z.string().nullable(),
    started_at: z.string().nullable(),
    finished_at: z.string().nullable(),
    built_from: z
      .array(z.object({ uri: z.string(), digest: z.string().nullable() }))
      .describe("The source and the base images, at most 100, as they turned out to be."),
  })
  .meta({ id: "Provenance" });
export type ProvenanceView = z.infer<typeof provenanceView>;

const MOST_DEPENDENCIES = 100;
const LONGEST_TEXT = 2000;

/** Bounded, because it is kept with the workspace. */
export function toProvenanceView(provenance: Provenance): ProvenanceView {
  const { builder, buildType, repository, commit, startedAt, finishedAt } = provenance;
  return {
    builder: cut(builder),
    build_type: cut(buildType),
    repository: cutOrNull(repository),
    commit: cutOrNull(commit),
    started_at: cutOrNull(startedAt),
    finished_at: cutOrNull(finishedAt),
    built_from: provenance.dependencies
      .slice(0, MOST_DEPENDENCIES)
      .map(({ uri, digest }) => ({ uri: cut(uri), digest: cutOrNull(digest) })),
  };
}

function cut(text: string): string {
  return text.slice(0, LONGEST_TEXT);
}

function cutOrNull(text: string | undefined): string | null {
  return text === undefined ? null : cut(text);
}
