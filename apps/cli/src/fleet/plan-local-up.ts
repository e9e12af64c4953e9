import { planWorkspace, type WorkspaceSpec } from "@molecule-ai/provisioner-core";
import { refuseTier } from "../options/tier.js";
import { readPlanSettings, UNKNOWN_INSTALL_ID } from "../plan-settings.js";
import type { CommandContext } from "../run-command.js";
import { readWorkspaceRequest } from "../workspace-request.js";
import type { UpRequest } from "./fleet.js";

/** What `up` was asked for; everything that can be refused is refused here, before the engine is asked anything. */
export async function planLocalUp(
  context: CommandContext,
  { runtime, options }: UpRequest,
): Promise<WorkspaceSpec> {
  const { spec } = await readWorkspaceRequest(context, runtime, options);
  const refusal = refuseTier(spec.tier, {
    allowPrivileged: options.allowPrivileged === true,
    maxTier: context.settings.maxTier,
  });
  if (refusal !== undefined) throw refusal;
  const { settings } = readPlanSettings(context.settings, {
    installId: context.settings.installId ?? UNKNOWN_INSTALL_ID,
    platform: options.platform,
  });
  planWorkspace(spec, settings);
  return spec;
}
