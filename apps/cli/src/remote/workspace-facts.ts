import type { FleetDetails, FleetWorkspace } from "../fleet/fleet.js";
import type { WorkspaceAnswer } from "./answers.js";

/** A workspace of a server as a line of a list. */
export function toFleetWorkspace(answer: WorkspaceAnswer): FleetWorkspace {
  return {
    id: answer.id,
    name: answer.name,
    runtime: answer.runtime,
    tier: answer.tier_applied ?? answer.tier,
    status: answer.status,
    url: answer.url || undefined,
    image: answer.image ?? undefined,
    createdAt: Date.parse(answer.created_at),
  };
}

/** All a server tells of a workspace. */
export function toFleetDetails(
  answer: WorkspaceAnswer,
  raw: Readonly<Record<string, unknown>>,
): FleetDetails {
  return {
    ...toFleetWorkspace(answer),
    revision: answer.image_revision ?? undefined,
    digest: answer.runtime_image_digest ?? undefined,
    volumes: [],
    envNames: [],
    why: describeWhy(answer),
    raw,
  };
}

/** Why it is in its status; undefined where nothing needs to be said. */
export function describeWhy({
  status,
  why,
}: Pick<WorkspaceAnswer, "status" | "why">): string | undefined {
  if (why === undefined || why.kind === null || status === "online") return undefined;
  const what = `${why.kind} ${why.state ?? ""}${why.stage === null ? "" : ` at ${why.stage}`}`;
  if (why.message === null) return what;
  return `${what}: ${why.message}${why.code === null ? "" : ` (${why.code})`}`;
}
