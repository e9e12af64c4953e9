import type { WorkspaceDetails, WorkspaceSummary } from "@molecule-ai/provisioner-core";

/** A restart by the engine that did not help: ended again sooner than this. */
const QUICK_EXIT_MS = 10_000;
/** As often as this, the engine restarts it in vain. */
const MOST_ENGINE_RESTARTS = 5;

/** What the row says that is looked after. */
export interface WatchedWorkspace {
  readonly status: "online" | "degraded" | "offline";
  readonly url: string | null;
  /** The provisioner stored the URL; another one is the agent's own affair. */
  readonly urlTrusted: boolean;
}

/**
 * - `fine`: as the row says
 * - `unclear`: between two states, or stopped by somebody's wish; look again later
 * - `lost`: nothing of it runs, nor will by itself
 * - `looping`: the engine starts it again and again, and it ends at once
 * - `back`: it runs, though it was lost
 * - `moved`: it runs, and is reached elsewhere
 */
export type HealthVerdict =
  | { readonly kind: "fine" | "unclear" | "lost" | "looping" }
  | { readonly kind: "back"; readonly url: string | undefined }
  | { readonly kind: "moved"; readonly url: string };

/** Compares the row of a workspace with its container; undefined when it certainly has none. */
export function judgeHealth(
  workspace: WatchedWorkspace,
  container: WorkspaceSummary | WorkspaceDetails | undefined,
): HealthVerdict {
  if (container === undefined) return { kind: "lost" };
  switch (container.status) {
    case "running":
      return judgeRunning(workspace, container.url);
    case "created":
    case "exited":
    case "dead":
      return { kind: "lost" };
    case "restarting":
      return { kind: "restartCount" in container && isLooping(container) ? "looping" : "unclear" };
    case "paused":
    case "removing":
      return { kind: "unclear" };
    default:
      return container.status satisfies never;
  }
}

function judgeRunning(workspace: WatchedWorkspace, url: string | undefined): HealthVerdict {
  if (workspace.status === "offline") return { kind: "back", url };
  if (url === undefined || !workspace.urlTrusted || url === workspace.url) return { kind: "fine" };
  return { kind: "moved", url };
}

function isLooping({ restartCount, startedAt, finishedAt }: WorkspaceDetails): boolean {
  if (restartCount < MOST_ENGINE_RESTARTS) return false;
  return (
    startedAt !== undefined && finishedAt !== undefined && finishedAt - startedAt < QUICK_EXIT_MS
  );
}
