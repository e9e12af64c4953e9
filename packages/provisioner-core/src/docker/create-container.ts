import { isProvisionerError, LABELS } from "@molecule-ai/core";
import type { ImageInfo } from "@molecule-ai/docker-engine";
import type { HostConfig } from "@molecule-ai/host-config";
import { WorkspaceError } from "../errors.js";
import type { WorkspacePlan } from "../workspace-plan.js";
import { createConfig, type CreateConfigOptions } from "./create-config.js";
import { explainNameConflict } from "./name-conflict.js";
import type { StartRun } from "./start-run.js";

export interface CreateContainerOptions {
  readonly plan: WorkspacePlan;
  readonly image: ImageInfo;
  readonly hostConfig: HostConfig;
  readonly name: string;
}

export interface CreatedContainer {
  readonly id: string;
  readonly name: string;
  /** Secrets go into a file; false when there are none or the image has no shell to load it. */
  readonly secretsAsFile: boolean;
}

/**
 * Creates the container of a plan. Its removal is on the undo stack before the engine is asked,
 * because a call that breaks off may have created it.
 */
export async function createContainer(
  run: StartRun,
  options: CreateContainerOptions,
): Promise<CreatedContainer> {
  const { engine } = run.context;
  const { name } = options;
  const wantsSecrets = Object.keys(run.seed.secrets ?? {}).length > 0;
  run.undo.push((signal) => removeOwnContainer(run, name, signal));

  const id = await create(run, options, { kind: wantsSecrets ? "file" : "none" });
  if (!wantsSecrets) return { id, name, secretsAsFile: false };
  const shell = await engine.containers.statPath(id, "/bin/sh", { signal: run.signal });
  if (shell !== undefined) return { id, name, secretsAsFile: true };

  await engine.containers.remove(id, { force: true, signal: run.late });
  run.onEvent?.({
    type: "warning",
    code: "WARN_WORKSPACE_SECRETS_VISIBLE",
    message: `The image ${options.plan.container.image} has no /bin/sh to load secrets from a file; they are plain environment and visible to docker inspect.`,
    hint: "Add a shell to the image to keep secrets out of the container's configuration.",
  });
  const values = run.seed.secrets ?? {};
  const plain = await create(run, options, { kind: "environment", values });
  return { id: plain, name, secretsAsFile: false };
}

async function create(
  run: StartRun,
  options: CreateContainerOptions,
  secrets: CreateConfigOptions["secrets"],
): Promise<string> {
  const { plan, image, hostConfig, name } = options;
  const { engine } = run.context;
  const { attempt, createdAt } = run;
  const config = createConfig({ plan, image, hostConfig, attempt, createdAt, secrets });
  for (let round = 0; ; round += 1) {
    run.signal?.throwIfAborted();
    try {
      const created = await engine.containers.create(config, {
        name,
        platform: plan.container.platform,
        signal: run.late,
      });
      for (const message of created.warnings) {
        run.onEvent?.({ type: "warning", code: "WARN_WORKSPACE_ENGINE", message });
      }
      return created.id;
    } catch (error) {
      const isAnswered = isProvisionerError(error) && typeof error.details["status"] === "number";
      if (!isAnswered) run.doubt.create = true;
      run.signal?.throwIfAborted();
      if (!isProvisionerError(error, "ERR_ENGINE_CONFLICT")) throw createFailed(plan, error);
      await settleConflict(run, name, round);
    }
  }
}

/** Returns when the name is free for another try; throws the reason otherwise. */
async function settleConflict(run: StartRun, name: string, round: number): Promise<void> {
  const { containers } = run.context.engine;
  const holder = await containers.inspect(name, { signal: run.signal });
  const conflict = explainNameConflict(run, name, holder);
  if (conflict.kind === "refused" || round > 0) {
    throw conflict.kind === "refused"
      ? conflict.error
      : new WorkspaceError("ERR_WORKSPACE_BUSY", `Workspace ${run.id} is started elsewhere.`, {
          hint: "Try again in a moment.",
          retryable: true,
        });
  }
  await containers.remove(conflict.container.id, {
    force: true,
    signal: run.late,
  });
  run.onEvent?.({ type: "undone", what: `leftover ${name} of an interrupted start removed` });
}

const LOOKS_FOR_LATE_CONTAINER = 4;

/** Removes what this attempt created under `name`, also when it appears only after a broken call. */
async function removeOwnContainer(
  run: StartRun,
  name: string,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { engine, clock } = run.context;
  for (let look = 1; ; look += 1) {
    const found = await engine.containers.list(
      { labels: [`${LABELS.attempt}=${run.attempt}`], all: true },
      { signal },
    );
    for (const container of found) {
      await engine.containers.remove(container.id, { force: true, signal });
    }
    if (found.length > 0) return `container ${name} removed`;
    if (look === LOOKS_FOR_LATE_CONTAINER || !run.doubt.create) return undefined;
    await clock.sleep(300 * look, signal);
  }
}

function createFailed(plan: WorkspacePlan, error: unknown): WorkspaceError {
  const { image } = plan.container;
  const reason = error instanceof Error ? error.message : String(error);
  if (isProvisionerError(error, "ERR_ENGINE_IMAGE_NOT_FOUND")) {
    return new WorkspaceError(
      "ERR_WORKSPACE_IMAGE_NOT_FOUND",
      `The image "${image}" of runtime ${plan.runtime} went away before its container was made: ${reason}`,
      {
        hint: `Verify the registry visibility for ${plan.runtime}, then start it again.`,
        cause: error,
        retryable: true,
        details: { image, runtime: plan.runtime },
      },
    );
  }
  return new WorkspaceError(
    "ERR_WORKSPACE_CREATE_FAILED",
    `The engine could not create workspace ${plan.id}: ${reason}`,
    {
      hint: isProvisionerError(error) ? error.hint : undefined,
      retryable: isProvisionerError(error) && error.retryable,
      cause: error,
      details: { id: plan.id, ...(isProvisionerError(error) ? { cause: error.code } : {}) },
    },
  );
}
