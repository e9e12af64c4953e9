import type { DockerEngine } from "@molecule-ai/docker-engine";
import type { CommandContext } from "../../run-command.js";

/**
 * With `MOLECULE_CLEANUP=on`, makes room on the engine's disk before a build, when it is due. A
 * failure ends the build only when the clean-up is required.
 */
export async function cleanBeforeBuild(
  context: CommandContext,
  engine: DockerEngine,
): Promise<void> {
  const {
    applyCleanup,
    cleanupSettingsFromEnv,
    planCleanup,
    readCleanupInventory,
    readEngineDisk,
    shouldClean,
  } = await import("@molecule-ai/image-build");
  const { enabled, enforcement, policy, trigger } = cleanupSettingsFromEnv(context.settings.env);
  if (!enabled) return;
  const { signal, clock, onEvent } = context;
  if (shouldClean(await readEngineDisk(engine, { signal }), trigger).kind !== "due") return;
  const inventory = await readCleanupInventory(engine, policy, { signal });
  const plan = planCleanup(inventory, policy, clock.now());
  const { failed } = await applyCleanup(plan, engine, { enforcement, signal, onEvent });
  if (failed === 0) return;
  onEvent({
    type: "warning",
    code: "WARN_CLEANUP_INCOMPLETE",
    message: `${failed} things could not be removed from the engine`,
    hint: "`image gc --apply` says which.",
  });
}
