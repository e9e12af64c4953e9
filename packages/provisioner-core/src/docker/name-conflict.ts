import type { ContainerInfo } from "@molecule-ai/docker-engine";
import { LABELS } from "@molecule-ai/core";
import { WorkspaceError } from "../errors.js";
import { belongsTo } from "./ownership.js";
import type { StartRun } from "./start-run.js";

/** What it means that the name of a workspace's container is taken. */
export type NameConflict =
  /** A start that was cut off left it; nothing ever ran in it. */
  | { readonly kind: "leftover"; readonly container: ContainerInfo }
  | { readonly kind: "refused"; readonly error: WorkspaceError };

/** Classifies the holder of `name`; undefined when it is gone again. */
export function explainNameConflict(
  run: Pick<StartRun, "context" | "id" | "isAbandoned">,
  name: string,
  holder: ContainerInfo | undefined,
): NameConflict {
  const { id } = run;
  const { installId } = run.context;
  const details = { id, name };
  if (holder === undefined) {
    return refused("ERR_WORKSPACE_BUSY", `Workspace ${id} is being started or removed elsewhere.`, {
      hint: "Try again in a moment.",
      retryable: true,
      details,
    });
  }
  const { labels, state } = holder;
  if (!belongsTo(labels, installId, id)) {
    const sameInstall = labels[LABELS.install] === installId;
    return refused(
      "ERR_WORKSPACE_NAME_TAKEN",
      sameInstall
        ? `The name ${name} belongs to workspace ${labels[LABELS.workspace]}, whose id begins like ${id}.`
        : `A container named ${name} exists that this installation did not create.`,
      {
        hint: sameInstall
          ? "Choose an id that differs in its first twelve characters."
          : "Choose another id, or remove that container yourself if nobody needs it.",
        details,
      },
    );
  }
  const neverRan = state.status === "created" && state.startedAt === undefined;
  if (!neverRan) {
    return refused("ERR_WORKSPACE_EXISTS", `Workspace ${id} exists already (${state.status}).`, {
      hint: "Restart it, or remove it first.",
      details: { ...details, status: state.status },
    });
  }
  if (run.isAbandoned(labels)) return { kind: "leftover", container: holder };
  return refused("ERR_WORKSPACE_BUSY", `Workspace ${id} is being started by somebody else.`, {
    hint: "Wait for that start to end; if there is none, remove the workspace.",
    retryable: true,
    details,
  });
}

function refused(...error: ConstructorParameters<typeof WorkspaceError>): NameConflict {
  return { kind: "refused", error: new WorkspaceError(...error) };
}
