/** Every status a workspace can have; the database enum, the API schema and the docs come from it. */
export const WORKSPACE_STATUSES = [
  "provisioning",
  "awaiting_agent",
  "online",
  "degraded",
  "offline",
  "failed",
  "paused",
  "hibernating",
  "hibernated",
  "removed",
] as const;
export type WorkspaceStatus = (typeof WORKSPACE_STATUSES)[number];

/** Where an agent runs, or should run. */
const LIVE = ["provisioning", "awaiting_agent", "online", "degraded", "offline", "failed"] as const;

interface Transition {
  /** Empty: only a new workspace. */
  readonly from: readonly WorkspaceStatus[];
  readonly to: WorkspaceStatus;
  /** Who does it, for the documentation. */
  readonly trigger: string;
}

/**
 * All that may happen to the status of a workspace. A change that is not here cannot be written: the
 * store compares the status, and sets it, in one statement.
 *
 * `removed` is in no `from`: nothing revives a removed workspace. `paused` and `hibernated` are left
 * only by a person's request or a removal, never by what a health check saw.
 */
export const TRANSITIONS = {
  create: { from: [], to: "provisioning", trigger: "POST /workspaces" },
  await: { from: [], to: "awaiting_agent", trigger: "POST /workspaces, external, without a URL" },
  attach: { from: [], to: "online", trigger: "POST /workspaces, external, with a URL" },
  ready: {
    from: ["provisioning"],
    to: "online",
    trigger: "the agent answered after it was started",
  },
  registered: {
    from: ["provisioning", "awaiting_agent", "offline", "online"],
    to: "online",
    trigger: "POST /registry/register",
  },
  beat: {
    from: ["provisioning", "awaiting_agent", "offline"],
    to: "online",
    trigger: "POST /registry/heartbeat",
  },
  degrade: {
    from: ["online"],
    to: "degraded",
    trigger: "heartbeat with error_rate ≥ 0.5, or runtime_state wedged",
  },
  recover: {
    from: ["degraded"],
    to: "online",
    trigger: "heartbeat with error_rate < 0.1 and no runtime_state",
  },
  fail: {
    from: ["provisioning"],
    to: "failed",
    trigger: "a provision ended in an error or ran out of time, or bootstrap-failed was called",
  },
  lose: {
    from: ["online", "degraded"],
    to: "offline",
    trigger: "the container is gone, or the heartbeats of an external agent stopped",
  },
  restore: {
    from: ["provisioning", "failed", "offline"],
    to: "online",
    trigger: "a replacement failed and the workspace runs again as before",
  },
  recreate: {
    from: ["offline"],
    to: "provisioning",
    trigger: "automatic restart of a lost workspace",
  },
  giveUp: {
    from: ["offline"],
    to: "failed",
    trigger: "automatic restarts did not help: the agent ended again and again",
  },
  restart: {
    from: ["provisioning", "online", "degraded", "offline", "failed", "hibernated"],
    to: "provisioning",
    trigger: "POST /workspaces/:id/restart, or a change of its secrets or model",
  },
  pause: {
    from: [...LIVE, "hibernating", "hibernated"],
    to: "paused",
    trigger: "POST /workspaces/:id/pause, also of an ancestor",
  },
  resume: {
    from: ["paused"],
    to: "provisioning",
    trigger: "POST /workspaces/:id/resume, also of an ancestor",
  },
  reattach: {
    from: ["paused"],
    to: "awaiting_agent",
    trigger: "POST /workspaces/:id/resume of an external workspace",
  },
  hibernate: {
    from: ["online", "degraded"],
    to: "hibernating",
    trigger: "POST /workspaces/:id/hibernate, or the idle monitor",
  },
  asleep: {
    from: ["hibernating"],
    to: "hibernated",
    trigger: "the hibernating workspace was stopped",
  },
  stayAwake: {
    from: ["hibernating"],
    to: "online",
    trigger: "the hibernation was cancelled or failed",
  },
  wake: { from: ["hibernated"], to: "provisioning", trigger: "a request for the agent" },
  remove: {
    from: [...LIVE, "paused", "hibernating", "hibernated"],
    to: "removed",
    trigger: "DELETE /workspaces/:id, also of an ancestor",
  },
} as const satisfies Readonly<Record<string, Transition>>;
export type TransitionName = keyof typeof TRANSITIONS;

/** True when `name` may happen to a workspace that is `status` now. */
export function mayHappen(name: TransitionName, status: WorkspaceStatus): boolean {
  return (TRANSITIONS[name].from as readonly WorkspaceStatus[]).includes(status);
}
