import { DEFAULT_TIER } from "@molecule-ai/host-config";
import { DEFAULT_RUNTIME } from "@molecule-ai/registry-mode";
import { checkAgentUrl } from "../access/agent-url.js";
import { unsaid } from "../api/stored-text.js";
import type { CreateWorkspaceBody } from "../api/workspace-body.js";
import { ServerError } from "../errors.js";
import type { ServerContext } from "../server-context.js";
import { limitTier } from "./limit-tier.js";
import type { Requester } from "./requester.js";
import { EXTERNAL_RUNTIME } from "./subtree.js";
import { checkWorkspaceDirectory } from "./workspace-directory.js";

/** A workspace that may be created: everything about it was checked but its parent. */
export interface NewWorkspace {
  readonly name: string;
  readonly role: string;
  readonly tier: number;
  readonly runtime: string;
  readonly model: string | undefined;
  readonly template: string | undefined;
  /** Where an external agent listens. */
  readonly url: string | undefined;
  readonly parentId: string | undefined;
  readonly workspaceDir: string | undefined;
  readonly workspaceAccess: string;
  readonly budgetLimit: number | undefined;
  readonly maxConcurrentTasks: number;
  readonly hibernationIdleMinutes: number;
  readonly canvas: { readonly x: number; readonly y: number };
  readonly secrets: Readonly<Record<string, string>>;
  /** What was taken, but has no effect. */
  readonly warnings: readonly string[];
}

/**
 * Checks a request to create a workspace and fills in what it leaves out; writes nothing but the
 * event of a refused tier.
 *
 * @throws ServerError `ERR_REQUEST_INVALID`, `ERR_TIER_NOT_ALLOWED`, `ERR_AGENT_URL_REFUSED`,
 *   `ERR_SECRET_NAME_RESERVED`, `ERR_SECRET_KEY_MISSING`; RegistryModeError for an unknown runtime,
 *   HostConfigError for a directory that may not be mounted.
 */
export async function checkNewWorkspace(
  context: ServerContext,
  body: CreateWorkspaceBody,
  requester: Requester,
): Promise<NewWorkspace> {
  const warnings: string[] = [];
  const tier = body.tier ?? Math.min(DEFAULT_TIER, context.config.maxTier);
  const isExternal = refuseHalfExternal(body);
  const workspaceAccess = unsaid(body.workspace_access) ?? "none";
  const directory = unsaid(body.workspace_dir);
  const workspaceDir = checkWorkspaceDirectory(
    directory,
    workspaceAccess,
    context.config.workspaceDirectory,
  );
  if (workspaceDir !== undefined && workspaceAccess === "none") {
    warnings.push("workspace_dir is not mounted, because workspace_access is none.");
  }
  const chosen = isExternal
    ? { runtime: EXTERNAL_RUNTIME, model: unsaid(body.model), template: undefined }
    : await chooseRuntime(context, body, warnings);
  const given = isExternal ? unsaid(body.url) : undefined;
  const url = given && (await checkAgentUrl(given, { isSaas: context.config.isSaas }));
  const secrets = body.secrets ?? {};
  for (const [key, value] of Object.entries(secrets)) context.secrets.validate(key, value);
  await limitTier(context, tier, { name: body.name, requester });
  return {
    ...chosen,
    name: body.name,
    role: unsaid(body.role) ?? "",
    tier,
    url,
    parentId: unsaid(body.parent_id),
    workspaceDir,
    workspaceAccess,
    budgetLimit: unsaid(body.budget_limit),
    maxConcurrentTasks: Math.max(1, body.max_concurrent_tasks ?? 1),
    hibernationIdleMinutes: body.hibernation_idle_minutes ?? 0,
    canvas: body.canvas ?? { x: 0, y: 0 },
    secrets,
    warnings,
  };
}

/** Whether the agent runs elsewhere; a request that says both is refused. */
function refuseHalfExternal(body: CreateWorkspaceBody): boolean {
  const runtime = unsaid(body.runtime);
  const isExternal = body.external ?? runtime === EXTERNAL_RUNTIME;
  if (runtime !== undefined && isExternal !== (runtime === EXTERNAL_RUNTIME)) {
    throw new ServerError(
      "ERR_REQUEST_INVALID",
      `A workspace cannot be of runtime ${runtime} with external ${String(isExternal)}.`,
      { hint: "Leave one of runtime and external out." },
    );
  }
  if (!isExternal && unsaid(body.url) !== undefined) {
    throw new ServerError("ERR_REQUEST_INVALID", "Only an external workspace has a url.", {
      hint: "Set external, or leave the url out: this server starts the agent itself.",
    });
  }
  return isExternal;
}

interface Chosen {
  readonly runtime: string;
  readonly model: string | undefined;
  readonly template: string | undefined;
}

async function chooseRuntime(
  context: ServerContext,
  body: CreateWorkspaceBody,
  warnings: string[],
): Promise<Chosen> {
  const { templates, runtimes } = context;
  const named = unsaid(body.template);
  const said = unsaid(body.runtime);
  if (said !== undefined) runtimes.require(said);
  const template = named === undefined ? undefined : await templates.find(named);
  if (named !== undefined && template === undefined) {
    if (said === undefined) {
      throw new ServerError("ERR_REQUEST_INVALID", `There is no template ${named}.`, {
        hint: "Name a directory below CONFIGS_DIR, or give the runtime beside it.",
        details: { template: named },
      });
    }
    warnings.push(`There is no template ${named}; the default of ${said} is used.`);
  }
  const { name: runtime } = runtimes.require(said ?? template?.runtime ?? DEFAULT_RUNTIME);
  const used = template ?? (await templates.find(`${runtime}-default`));
  return {
    runtime,
    model: unsaid(body.model) ?? template?.model,
    template: used?.name,
  };
}
