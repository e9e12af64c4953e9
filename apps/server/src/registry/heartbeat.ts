import type { TransitionName, WorkspaceStatus } from "../state/workspace-status.js";

/** What an agent says of itself, as it was sent. */
export interface ReportedHeartbeat {
  readonly error_rate?: number | null | undefined;
  readonly sample_error?: string | null | undefined;
  readonly active_tasks?: number | null | undefined;
  readonly uptime_seconds?: number | null | undefined;
  readonly current_task?: string | null | undefined;
  readonly monthly_spend?: number | null | undefined;
  readonly runtime_state?: string | null | undefined;
  readonly runtime_metadata?:
    | {
        readonly capabilities?:
          Readonly<Record<string, unknown>> | readonly unknown[] | null | undefined;
      }
    | null
    | undefined;
}

/** A heartbeat that fits the columns of a workspace. */
export interface Heartbeat {
  readonly errorRate: number;
  readonly sampleError: string;
  readonly activeTasks: number;
  readonly uptimeSeconds: number;
  readonly currentTask: string;
  readonly runtimeState: string;
  /** Undefined leaves the stored one. */
  readonly monthlySpend: number | undefined;
  /** Undefined leaves what an earlier heartbeat declared. */
  readonly managesStatus: boolean | undefined;
}

/** What a heartbeat is judged against. */
export interface HeartbeatSubject {
  readonly status: WorkspaceStatus;
  /** Before this heartbeat. */
  readonly runtimeState: string;
  readonly managesStatus: boolean;
  /** It comes from the container that the operation under way is about to replace. */
  readonly isOfEarlierAttempt: boolean;
}

const MOST_SPEND = 1e12;
const MOST_INTEGER = 2 ** 31 - 1;
const MOST_TEXT = 2000;

/**
 * What is not said counts as nothing, and what is out of range as the nearest that is in it: an agent
 * is alive also when it counts badly. A spend of 0 is one that was not measured.
 */
export function normalizeHeartbeat(
  reported: ReportedHeartbeat,
  redact: (text: string) => string,
): Heartbeat {
  const spend = reported.monthly_spend ?? 0;
  return {
    errorRate: clamp(reported.error_rate ?? 0, 1),
    sampleError: toText(reported.sample_error, redact),
    activeTasks: toInteger(reported.active_tasks),
    uptimeSeconds: toInteger(reported.uptime_seconds),
    currentTask: toText(reported.current_task, redact),
    runtimeState: toText(reported.runtime_state, redact),
    monthlySpend: spend === 0 ? undefined : Math.trunc(clamp(spend, MOST_SPEND)),
    managesStatus: declaresStatusManagement(reported.runtime_metadata?.capabilities),
  };
}

/**
 * What a heartbeat means for the status of a workspace: undefined for nothing.
 *
 * An adapter that manages its status says by `runtime_state` alone how it is; its error rate decides
 * nothing.
 */
export function judgeHeartbeat(
  subject: HeartbeatSubject,
  beat: Pick<Heartbeat, "errorRate" | "runtimeState">,
): (TransitionName & ("beat" | "degrade" | "recover")) | undefined {
  const isWedged = beat.runtimeState === "wedged";
  switch (subject.status) {
    case "provisioning":
      return subject.isOfEarlierAttempt ? undefined : "beat";
    case "awaiting_agent":
    case "offline":
      return "beat";
    case "online":
      return isWedged || (!subject.managesStatus && beat.errorRate >= 0.5) ? "degrade" : undefined;
    case "degraded": {
      if (beat.runtimeState !== "") return undefined;
      const isWell = subject.managesStatus
        ? subject.runtimeState === "wedged"
        : beat.errorRate < 0.1;
      return isWell ? "recover" : undefined;
    }
    case "failed":
    case "paused":
    case "hibernating":
    case "hibernated":
    case "removed":
      return undefined;
    default:
      return subject.status satisfies never;
  }
}

function declaresStatusManagement(
  capabilities: Readonly<Record<string, unknown>> | readonly unknown[] | null | undefined,
): boolean | undefined {
  if (capabilities === null || capabilities === undefined) return undefined;
  if (Array.isArray(capabilities)) return capabilities.includes("status_mgmt");
  return (capabilities as Readonly<Record<string, unknown>>)["status_mgmt"] === true;
}

function clamp(value: number, most: number): number {
  return Number.isNaN(value) ? 0 : Math.min(Math.max(value, 0), most);
}

function toInteger(value: number | null | undefined): number {
  return Math.trunc(clamp(value ?? 0, MOST_INTEGER));
}

/** Text of a stranger: without control characters and secrets, bounded, and valid Unicode. */
function toText(text: string | null | undefined, redact: (text: string) => string): string {
  if (text === null || text === undefined || text === "") return "";
  const safe = redact(text.slice(0, 4 * MOST_TEXT)).slice(0, MOST_TEXT);
  return Buffer.from(safe, "utf8").toString("utf8").replaceAll("\0", "");
}
