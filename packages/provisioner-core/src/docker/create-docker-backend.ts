import {
  createRedactor,
  isInstallId,
  isProvisionerError,
  systemClock,
  type Clock,
  type Redactor,
} from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { WorkspaceError } from "../errors.js";
import type { WorkspaceBackend } from "../workspace-backend.js";
import { isAbandoned } from "./attempt.js";
import { outlast, type DockerContext } from "./context.js";
import { toDetails } from "./details.js";
import { createDockerFiles } from "./files.js";
import { pauseWorkspace, requireRunning, resumeWorkspace, stopWorkspace } from "./lifecycle.js";
import { findContainer, installFilter, requireContainer } from "./ownership.js";
import { settleInterruptedSwap } from "./replacement.js";
import { recallWorkspace } from "./recall.js";
import { listOwned, removeOwned, removeWorkspace } from "./removal.js";
import { startWorkspace } from "./start.js";
import { summarise, watchWorkspaces } from "./watch.js";

export interface DockerBackendOptions {
  readonly engine: DockerEngine;
  /** Identity of this installation: nothing without it is ever stopped or removed. */
  readonly installId: string;
  readonly clock?: Clock | undefined;
  /** Masks secrets in the log lines that errors carry. */
  readonly redactor?: Redactor | undefined;
  /** Time between SIGTERM and force; default 10 seconds. */
  readonly stopGraceSeconds?: number | undefined;
  /** Use unlabelled volumes that have our names; default false. */
  readonly adoptVolumes?: boolean | undefined;
  /** Longest time for taking a failed start back while the engine is away; default 20 seconds. */
  readonly undoTimeoutMs?: number | undefined;
  /**
   * Whether host paths mean the same here and on the engine's host. Default: true for a socket on
   * this machine; set it to false inside a container.
   */
  readonly sharesFilesystem?: boolean | undefined;
  /**
   * How agents are reached: by the ports `published` on the engine's host, the default; or by name
   * on the `network` of the workspaces, for a process that is itself a container on it.
   */
  readonly agentAddress?: "published" | "network" | undefined;
}

/**
 * Workspaces as containers of one Docker engine. The engine stays the caller's to dispose. Throws
 * `ERR_WORKSPACE_SETTINGS_INVALID` for an install id that cannot be a label value.
 */
export function createDockerBackend(options: DockerBackendOptions): WorkspaceBackend {
  const { engine, installId } = options;
  if (!isInstallId(installId)) {
    throw new WorkspaceError(
      "ERR_WORKSPACE_SETTINGS_INVALID",
      `${JSON.stringify(installId.slice(0, 80))} is not an install id.`,
      { hint: "Use 1 to 63 of a-z, 0-9, dot, hyphen and underscore." },
    );
  }
  const { kind } = engine.endpoint;
  const context: DockerContext = {
    engine,
    installId,
    clock: options.clock ?? systemClock,
    redactor: options.redactor ?? createRedactor(),
    stopGraceSeconds: options.stopGraceSeconds ?? 10,
    adoptVolumes: options.adoptVolumes ?? false,
    undoTimeoutMs: options.undoTimeoutMs ?? 20_000,
    sharesFilesystem: options.sharesFilesystem ?? (kind === "unix" || kind === "npipe"),
    vantage: { endpoint: engine.endpoint, agentAddress: options.agentAddress ?? "published" },
  };
  const { containers } = engine;

  return {
    start: (plan, startOptions) => startWorkspace(context, plan, startOptions),
    async settle(id, { signal, takeOver, onEvent } = {}) {
      using late = outlast(signal);
      await settleInterruptedSwap({
        context,
        id,
        signal,
        late: late.signal,
        onEvent,
        isAbandoned: (labels) => isAbandoned(labels, context.clock, { takeOver }),
      });
    },
    recall: (id, { signal } = {}) => recallWorkspace(context, id, signal),
    stop: (id, stopOptions) => stopWorkspace(context, id, stopOptions),
    pause: (id, { signal } = {}) => pauseWorkspace(context, id, signal),
    resume: (id, { signal } = {}) => resumeWorkspace(context, id, signal),
    async inspect(id, { signal } = {}) {
      const container = await findContainer(context, id, signal);
      return container === undefined ? undefined : toDetails(context.vantage, container);
    },
    watch: ({ signal }) => watchWorkspaces(context, signal),
    async *logs(id, logOptions = {}) {
      const container = await requireContainer(context, id, logOptions.signal);
      yield* containers.logs(container.id, logOptions);
    },
    async exec(id, request) {
      const container = await requireContainer(context, id, request.signal);
      requireRunning(container, id);
      const { env, ...rest } = request;
      try {
        return await containers.exec(container.id, {
          ...rest,
          env: Object.entries(env ?? {}).map(([name, value]) => `${name}=${value}`),
        });
      } catch (error) {
        if (!isProvisionerError(error, "ERR_ENGINE_CONFLICT")) throw error;
        throw new WorkspaceError("ERR_WORKSPACE_NOT_RUNNING", `Workspace ${id} does not run.`, {
          hint: "Resume or restart it first.",
          cause: error,
        });
      }
    },
    files: createDockerFiles(context),
    remove: (id, removeOptions) => removeWorkspace(context, id, removeOptions),
    async list({ signal } = {}) {
      const filter = { labels: [installFilter(installId)], all: true };
      return summarise(context, await containers.list(filter, { signal }));
    },
    listOwned: ({ signal } = {}) => listOwned(context, signal),
    removeOwned: (resource, { signal } = {}) => removeOwned(context, resource, signal),
  };
}
