export { systemClock, type Clock } from "./clock.js";
export { connectionFailure, type ConnectionFailure } from "./connection-failure.js";
export { stripControlCharacters } from "./control-characters.js";
export { createDeadline, DeadlineError, type Deadline, type DeadlineOptions } from "./deadline.js";
export {
  isProvisionerError,
  ProvisionerError,
  type ErrorRecord,
  type ProvisionerErrorOptions,
} from "./errors.js";
export {
  STAGES,
  type BuildEvent,
  type BuildLog,
  type BuildStatus,
  type BuildVertex,
  type EventSink,
  type Joined,
  type ProvisionEvent,
  type PullEvent,
  type PullProgress,
  type PushEvent,
  type PushProgress,
  type Stage,
  type StageFailed,
  type StageFinished,
  type StageStarted,
  type Undone,
  type Warning,
} from "./events.js";
export { createWorkspaceId, deriveInstallId, isInstallId } from "./ids.js";
export type { JsonObject, JsonValue } from "./json.js";
export { LABELS } from "./labels.js";
export { createRedactor, redactUserinfo, type Redactor } from "./redaction.js";
export { parseRetryAfter, retryDelay } from "./retry-delay.js";
export { SharedWork, type SharedWorkOptions, type WorkContext } from "./shared-work.js";
export { describeFailure, runStage, type StageRun } from "./stage.js";
export { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "./template-repository.js";
