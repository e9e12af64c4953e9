import { createDeadline, DeadlineError, type Clock, type Redactor } from "@molecule-ai/core";
import { WorkspaceError } from "./errors.js";
import { exitError } from "./exit-error.js";
import { readLogTail } from "./log-tail.js";
import type { Probe } from "./probe.js";
import type { StartedWorkspace, WorkspaceBackend, WorkspaceDetails } from "./workspace-backend.js";

export interface ReadinessOptions {
  readonly backend: Pick<WorkspaceBackend, "inspect" | "watch" | "logs">;
  readonly probe: Probe;
  readonly clock: Clock;
  readonly redactor: Redactor;
  /** Longest time without a sign of life: log output, or an HTTP answer. */
  readonly timeoutMs: number;
  /** Longest time altogether. */
  readonly totalTimeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

const FIRST_PAUSE_MS = 20;
const LONGEST_PAUSE_MS = 500;

/** How long a process that cannot be asked must stay up to count as ready. */
const SETTLE_MS = 2000;

/** Between two looks at the process itself, in case its end was not told. */
const LOOK_EVERY_MS = 1000;

/**
 * Resolves to the URL once the agent answers. Rejects as soon as its process ends
 * (`ERR_WORKSPACE_EXITED`, `ERR_WORKSPACE_CRASH_LOOP`) or disappears (`ERR_WORKSPACE_NOT_FOUND`),
 * with `ERR_WORKSPACE_NOT_READY` when its time is up, and with the caller's reason on abort. Nothing
 * of it goes on after it settled.
 */
export async function waitUntilReady(
  started: StartedWorkspace,
  options: ReadinessOptions,
): Promise<string> {
  const { backend, redactor } = options;
  const { id } = started;
  using idle = createDeadline({
    what: `Workspace ${id}`,
    timeoutMs: options.timeoutMs,
    signal: options.signal,
  });
  const ended = new AbortController();
  let exitCode: number | undefined;
  const total = AbortSignal.timeout(options.totalTimeoutMs);
  const signal = AbortSignal.any([idle.signal, total, ended.signal]);
  const side = new AbortController();
  const sideSignal = AbortSignal.any([signal, side.signal]);
  // Both only make it faster or more patient; when they fail, the loop finds out by itself.
  const watching = Promise.allSettled([
    watchForEnd(backend, id, sideSignal, (code) => {
      exitCode ??= code;
      ended.abort(ENDED);
    }),
    followLog(backend, id, sideSignal, () => idle.progress()),
  ]);
  try {
    return await askUntilReady(started, options, signal, () => idle.progress());
  } catch (error) {
    options.signal?.throwIfAborted();
    if (error === ENDED) {
      const details = await backend.inspect(id);
      // Started again by now, it has an exit code no more.
      throw await describeEnd(
        options,
        id,
        details && { ...details, exitCode: exitCode ?? details.exitCode },
      );
    }
    if (!total.aborted && !(error instanceof DeadlineError)) throw error;
    const log = backend.logs(id, { tail: 20, signal: AbortSignal.timeout(5000) });
    throw notReady(started, options, await readLogTail(log, 10, redactor), error);
  } finally {
    side.abort();
    await watching;
  }
}

/** Says that the process is no longer up; what happened to it is looked up afterwards. */
const ENDED: unique symbol = Symbol("ended");

async function askUntilReady(
  started: StartedWorkspace,
  options: ReadinessOptions,
  signal: AbortSignal,
  onLife: () => void,
): Promise<string> {
  const { backend, clock, probe } = options;
  const beganAt = clock.monotonic();
  let lookedAt = beganAt;
  let url = started.url;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
    signal.throwIfAborted();
    if (started.reachable) {
      const answer = await probe.ask(url, signal);
      if (answer.kind === "ready") return url;
      if (answer.kind === "unready") onLife();
    }
    await clock.sleep(pauseMs, signal);
    if (clock.monotonic() - lookedAt < LOOK_EVERY_MS) continue;
    lookedAt = clock.monotonic();
    const details = await backend.inspect(started.id, { signal });
    if (details === undefined || hasEnded(details)) throw ENDED as unknown as Error;
    // A port chosen by the engine changes when the process is started anew.
    if (started.reachable) url = details.url ?? url;
    else if (details.health !== "starting" && lookedAt - beganAt > SETTLE_MS) return url;
  }
}

function hasEnded({ status, restartCount }: WorkspaceDetails): boolean {
  return restartCount > 0 || !["running", "created", "paused"].includes(status);
}

async function watchForEnd(
  backend: Pick<WorkspaceBackend, "watch">,
  id: string,
  signal: AbortSignal,
  onEnd: (exitCode: number | undefined) => void,
): Promise<void> {
  for await (const notice of backend.watch({ signal })) {
    switch (notice.type) {
      case "exited":
        if (notice.id === id) onEnd(notice.exitCode);
        break;
      case "removed":
        if (notice.id === id) onEnd(undefined);
        break;
      case "relisted": {
        const status = notice.workspaces.find((candidate) => candidate.id === id)?.status;
        if (status === "exited" || status === "dead" || status === "restarting") onEnd(undefined);
        break;
      }
      default:
        break;
    }
  }
}

async function followLog(
  backend: Pick<WorkspaceBackend, "logs">,
  id: string,
  signal: AbortSignal,
  onLife: () => void,
): Promise<void> {
  for await (const _ of backend.logs(id, { follow: true, tail: 0, signal })) onLife();
}

async function describeEnd(
  options: ReadinessOptions,
  id: string,
  details: WorkspaceDetails | undefined,
): Promise<Error> {
  if (details === undefined) {
    return new WorkspaceError(
      "ERR_WORKSPACE_NOT_FOUND",
      `Workspace ${id} was removed while it was starting.`,
      { hint: "Somebody else removed it; start it again.", details: { id } },
    );
  }
  const log = options.backend.logs(id, { tail: 20, signal: AbortSignal.timeout(5000) });
  return exitError(details, await readLogTail(log, 10, options.redactor));
}

function notReady(
  { id, url }: StartedWorkspace,
  { timeoutMs }: ReadinessOptions,
  logTail: readonly string[],
  cause: unknown,
): WorkspaceError {
  const last = logTail.length === 0 ? "It wrote nothing." : `Its last line: ${logTail.at(-1)}`;
  return new WorkspaceError(
    "ERR_WORKSPACE_NOT_READY",
    `Workspace ${id} runs, but nothing answered at ${url} in time. ${last}`,
    {
      hint: "The agent must listen on 0.0.0.0 and on a2a.port of config.yaml (8000); allow it more time if it is only slow.",
      cause,
      retryable: true,
      details: { id, url, timeoutMs, logTail: [...logTail] },
    },
  );
}
