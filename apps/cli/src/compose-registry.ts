import type { RegistryClient, RegistryCredential } from "@molecule-ai/registry-client";
import type { CommandContext } from "./run-command.js";

/** A client for registries with the given credentials, and Docker's own for all others. */
export async function openRegistryClient(
  context: Pick<CommandContext, "settings" | "redactor" | "clock" | "onEvent">,
  named: ReadonlyMap<string, RegistryCredential> = new Map(),
): Promise<RegistryClient> {
  const [{ createRegistryCredentials, engineSettingsFromEnv }, { createRegistryClient }] =
    await Promise.all([
      import("@molecule-ai/docker-engine"),
      import("@molecule-ai/registry-client"),
    ]);
  const { redactor, clock } = context;
  const { env, homeDirectory, hostPlatform, uid } = context.settings;
  const find = createRegistryCredentials({
    settings: engineSettingsFromEnv(env, { homeDirectory, platform: hostPlatform, uid }),
    redactor,
    onEvent: context.onEvent,
  });
  return createRegistryClient({
    credentials: async (host, options) => named.get(host) ?? find(host, options),
    redactor,
    clock,
  });
}
