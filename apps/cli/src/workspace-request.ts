import { createWorkspaceId } from "@molecule-ai/core";
import type { WorkspaceSpec } from "@molecule-ai/provisioner-core";
import { resolveRegistry } from "@molecule-ai/registry-mode";
import { resolve } from "node:path";
import type { SpecOptions } from "./grammar/spec-command.js";
import { readAuthToken } from "./options/auth-token.js";
import { readConfigFiles } from "./options/config-files.js";
import { readEnvironment } from "./options/environment.js";
import { readSecrets } from "./options/secrets.js";
import type { CommandContext } from "./run-command.js";

export interface WorkspaceRequest {
  readonly spec: WorkspaceSpec;
  /** True when nobody brings a config.yaml, so that a default one is written. */
  readonly defaultConfig: boolean;
}

/**
 * What `up` and `plan` were asked for, as a spec: files read, paths made absolute, every secret
 * registered with the redactor before anything else can fail.
 */
export async function readWorkspaceRequest(
  context: Pick<CommandContext, "settings" | "redactor">,
  runtime: string,
  options: SpecOptions,
): Promise<WorkspaceRequest> {
  const { cwd, env } = context.settings;
  const secrets = await readSecrets({
    references: options.secret,
    files: options.secretFile,
    env,
    cwd,
  });
  const authToken =
    options.authTokenFile === undefined
      ? undefined
      : await readAuthToken(options.authTokenFile, cwd);
  for (const secret of Object.values(secrets)) context.redactor.add(secret);
  if (authToken !== undefined) context.redactor.add(authToken);
  const spec: WorkspaceSpec = {
    id: options.id ?? createWorkspaceId(),
    name: options.name,
    runtime,
    tier: options.tier,
    // Not resolved: a relative path is refused where it is validated, with the reason.
    workspacePath: options.workspacePath,
    workspaceAccess: options.workspaceAccess,
    env: await readEnvironment({ assignments: options.env, files: options.envFile, env, cwd }),
    secrets,
    configFiles: await readConfigFiles(options.configFile, cwd),
    templatePath: options.template === undefined ? undefined : resolve(cwd, options.template),
    authToken,
    platformUrl: options.platformUrl,
    image: options.image,
    ref: options.ref,
    offline: options.offline,
  };
  // A local build brings the template's files along; a pulled image brings none.
  const builds = resolveRegistry(env).kind === "local-build" && spec.image === undefined;
  const hasConfig =
    spec.templatePath !== undefined || Object.hasOwn(spec.configFiles ?? {}, "config.yaml");
  return { spec, defaultConfig: !builds && !hasConfig };
}
