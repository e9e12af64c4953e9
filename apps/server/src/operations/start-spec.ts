import { isProvisionerError } from "@molecule-ai/core";
import type { UpRequest, WorkspaceAccess, WorkspaceSpec } from "@molecule-ai/provisioner-core";
import { ServerError } from "../errors.js";
import { readPinnedImage } from "../images/pins.js";
import type { WorkspaceRow } from "../store/workspaces.js";
import { findMissingEnv } from "../templates/template-config.js";
import { agentEnvironment } from "./agent-environment.js";
import type { OperationParams } from "./operation-params.js";
import type { RunnerContext } from "./runner-context.js";

/** What is asked of the provisioner for a workspace as its row, secrets and templates are now. */
export interface StartSpec {
  /** Without the token, which is made for the attempt. */
  readonly spec: WorkspaceSpec;
  readonly request: Pick<UpRequest, "rebuildConfig" | "fallbackTemplatePath" | "checkConfig">;
}

/**
 * Gathers a spec; nothing is changed by it.
 *
 * @throws ServerError `ERR_SECRET_UNREADABLE`; and through `checkConfig`
 *   `ERR_REQUIRED_ENV_MISSING`, naming the variables.
 */
export async function gatherSpec(
  context: RunnerContext,
  row: WorkspaceRow,
  params: OperationParams,
): Promise<StartSpec> {
  const secrets = await readSecrets(context, row.id);
  const env = agentEnvironment(row, secrets);
  const template = params.template && (await context.templates.find(params.template));
  const fallback = template ? undefined : await findFallback(context, row);
  const image = await readPinnedImage(context.store.db, {
    runtime: row.runtime,
    registry: context.host.require().settings.registry,
    env: context.config.env,
  });
  const access = row.workspaceAccess as WorkspaceAccess;
  return {
    spec: {
      id: row.id,
      name: row.name,
      runtime: row.runtime,
      tier: row.tier,
      image,
      // The server's own directory is there for those who asked for access, and named none.
      workspacePath:
        row.workspaceDir ?? (access === "none" ? undefined : context.config.workspaceDirectory),
      workspaceAccess: access,
      env,
      secrets,
      templatePath: template ? template.path : undefined,
      awarenessNamespace: row.awarenessNamespace ?? undefined,
      resetClaudeSession: params.reset,
    },
    request: {
      rebuildConfig: params.rebuildConfig,
      fallbackTemplatePath: fallback,
      checkConfig: (configYaml) => refuseMissingEnv(configYaml, { ...env, ...secrets }),
    },
  };
}

/** Which secret cannot be read is for those who may list them, and not for the events. */
async function readSecrets(
  { secrets, store: { db } }: RunnerContext,
  workspaceId: string,
): Promise<Readonly<Record<string, string>>> {
  try {
    return await secrets.readEffective(db, workspaceId);
  } catch (cause) {
    if (!isProvisionerError(cause, "ERR_SECRET_UNREADABLE")) throw cause;
    const failed = cause.details["failed_keys"];
    const entries = await secrets.listEffective(db, workspaceId);
    const isGlobal = entries.some(
      ({ key, scope }) => scope === "global" && Array.isArray(failed) && failed.includes(key),
    );
    throw new ServerError(
      "ERR_SECRET_UNREADABLE",
      `failed to decrypt ${isGlobal ? "global" : "workspace"} secret`,
      {
        hint: "Start the server with the key that sealed it, or save the secret again.",
        cause,
      },
    );
  }
}

/** The template of a workspace that has no configuration yet; one that is broken is passed over. */
async function findFallback(
  { templates, logger }: RunnerContext,
  row: WorkspaceRow,
): Promise<string | undefined> {
  for (const name of [row.template, `${row.runtime}-default`, row.runtime]) {
    if (name === null) continue;
    try {
      const found = await templates.find(name);
      if (found !== undefined) return found.path;
    } catch (error) {
      if (!isProvisionerError(error, "ERR_REQUEST_INVALID")) throw error;
      logger.warn({ template: name, workspaceId: row.id }, error.message);
    }
  }
  return undefined;
}

function refuseMissingEnv(configYaml: Uint8Array, env: Readonly<Record<string, string>>): void {
  const missing = findMissingEnv(configYaml, env);
  if (missing.length === 0) return;
  const [one] = missing;
  throw new ServerError(
    "ERR_REQUIRED_ENV_MISSING",
    missing.length === 1
      ? `Required environment variable ${one} is not set: save it as a secret and retry.`
      : `Required environment variables are not set: ${missing.join(", ")}. Save them as secrets and retry.`,
    {
      hint: "Save it with POST /workspaces/:id/secrets; the workspace is started again then.",
      details: { missing: [...missing] },
    },
  );
}
