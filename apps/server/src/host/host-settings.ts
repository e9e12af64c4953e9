import type { Redactor, Warning } from "@molecule-ai/core";
import { engineSettingsFromEnv, type EngineSettings } from "@molecule-ai/docker-engine";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { provisionerSettingsFromEnv, type PlanSettings } from "@molecule-ai/provisioner-core";
import {
  imagePinsFromEnv,
  platformDecision,
  resolveRegistry,
  runtimesFromEnv,
} from "@molecule-ai/registry-mode";
import type { ServerConfig } from "../config.js";

/** What the environment decides about engine and plans, before an engine is there. */
export interface HostSettings {
  readonly engine: EngineSettings;
  /** Without what only the engine and the bound port can tell. */
  readonly plan: PlanSettings;
  /** `PLATFORM_URL` is set: agents are told it, whatever was bound. */
  readonly isPlatformUrlGiven: boolean;
  readonly warnings: readonly Warning[];
}

/** Throws the error of the package whose variable is unusable. */
export function readHostSettings(
  config: Pick<ServerConfig, "env" | "machine">,
  options: { readonly installId: string; readonly redactor: Redactor },
): HostSettings {
  const { env, machine } = config;
  const engine = engineSettingsFromEnv(env, machine);
  for (const credential of engine.credentials.values()) {
    options.redactor.add(credential.kind === "password" ? credential.password : credential.token);
  }
  const { limits, warnings } = tierLimitsFromEnv(env);
  const runtimes = runtimesFromEnv(env);
  return {
    engine,
    plan: {
      // PORT may be 0 here; the port that was bound is put in when it is known.
      ...provisionerSettingsFromEnv({ ...env, PORT: undefined }),
      installId: options.installId,
      registry: resolveRegistry(env),
      runtimes,
      pins: imagePinsFromEnv(env, runtimes),
      platform: platformDecision({ env, hostOs: machine.platform, hostArch: machine.arch }),
      limits,
    },
    isPlatformUrlGiven: env["PLATFORM_URL"] !== undefined,
    warnings,
  };
}
