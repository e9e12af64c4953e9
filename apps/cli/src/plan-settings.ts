import type { Warning } from "@molecule-ai/core";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { provisionerSettingsFromEnv, type PlanSettings } from "@molecule-ai/provisioner-core";
import {
  imagePinsFromEnv,
  normalisePlatform,
  platformDecision,
  resolveRegistry,
  runtimesFromEnv,
} from "@molecule-ai/registry-mode";
import type { Settings } from "./config.js";

/** In the place of an install id that only the engine could tell. */
export const UNKNOWN_INSTALL_ID = "cli-derived-from-engine";

/** What the environment decides of every plan, and what of it could not be taken as it is. */
export interface PlanSettingsResult {
  readonly settings: PlanSettings;
  readonly warnings: readonly Warning[];
}

/** Settings of all plans of this run. `platform` is the `--platform` option and wins over the environment. */
export function readPlanSettings(
  settings: Settings,
  choices: {
    readonly installId: string;
    readonly platform?: string | undefined;
    /** Path of the engine's socket on the engine's machine, when it is known. */
    readonly socketPath?: string | undefined;
  },
): PlanSettingsResult {
  const { env } = settings;
  const { limits, warnings } = tierLimitsFromEnv(env);
  const runtimes = runtimesFromEnv(env);
  const { socketPath } = choices;
  return {
    settings: {
      ...provisionerSettingsFromEnv(env),
      installId: choices.installId,
      registry: resolveRegistry(env),
      runtimes,
      pins: imagePinsFromEnv(env, runtimes),
      platform:
        choices.platform === undefined
          ? platformDecision({ env, hostOs: settings.hostPlatform, hostArch: settings.hostArch })
          : normalisePlatform(choices.platform, "--platform"),
      limits,
      ...(socketPath === undefined
        ? {}
        : { dockerSocketPath: socketPath, socketPaths: [socketPath] }),
    },
    warnings,
  };
}
