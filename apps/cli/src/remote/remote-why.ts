import { z } from "zod";
import type { WorkspaceWhy } from "../fleet/workspace-why.js";
import {
  admissionAnswer,
  provenanceAnswer,
  workspaceAnswer,
  type AdmissionAnswer,
} from "./answers.js";
import type { ServerClient } from "./server-client.js";
import { describeWhy } from "./workspace-facts.js";

const whyAnswer = workspaceAnswer
  .pick({
    id: true,
    name: true,
    tier: true,
    tier_applied: true,
    status: true,
    image: true,
    runtime_image_digest: true,
    image_revision: true,
    why: true,
  })
  .extend({
    image_id: z.string().max(1024).nullish(),
    provenance: provenanceAnswer.nullish(),
    admission: admissionAnswer.nullish(),
  });

/** What a server says of a workspace, and of the image of its last start. */
export async function explainRemotely(
  client: ServerClient,
  id: string,
  signal: AbortSignal,
): Promise<WorkspaceWhy> {
  const answer = await client.call({
    method: "GET",
    path: `/workspaces/${id}/why`,
    answer: whyAnswer,
    signal,
  });
  const { provenance, admission } = answer;
  return {
    id: answer.id,
    name: answer.name,
    tier: answer.tier_applied ?? answer.tier,
    status: answer.status,
    image: answer.image ?? undefined,
    imageId: answer.image_id ?? undefined,
    digest: answer.runtime_image_digest ?? undefined,
    revision: answer.image_revision ?? undefined,
    why: describeWhy(answer),
    provenance:
      provenance === null || provenance === undefined
        ? undefined
        : {
            builder: provenance.builder,
            buildType: provenance.build_type,
            repository: provenance.repository ?? undefined,
            commit: provenance.commit ?? undefined,
            startedAt: provenance.started_at ?? undefined,
            finishedAt: provenance.finished_at ?? undefined,
            dependencies: provenance.built_from.map(({ uri, digest }) => ({
              uri,
              digest: digest ?? undefined,
            })),
          },
    verdict: toVerdict(admission),
  };
}

function toVerdict(admission: AdmissionAnswer | null | undefined): WorkspaceWhy["verdict"] {
  if (admission === null || admission === undefined) return undefined;
  const { decision, findings, passed, image, at } = admission;
  return { decision, findings, passed, image, at };
}
