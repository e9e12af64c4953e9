import { parse } from "yaml";
import { z } from "zod";

/** What the server reads of a template's `config.yaml`; the agent reads the rest. */
export interface TemplateConfig {
  readonly name: string | undefined;
  readonly description: string | undefined;
  readonly runtime: string | undefined;
  readonly model: string | undefined;
  readonly tier: number | undefined;
  /** Variables without which the agent ends at once. */
  readonly requiredEnv: readonly string[];
  readonly provisionTimeoutMs: number | undefined;
}

/**
 * Longer ones are no configuration. Agents can write theirs, and while one is read nothing else is
 * done: what takes a parser longest has to be over soon.
 */
export const MOST_CONFIG_BYTES = 128 * 1024;

const DAY_SECONDS = 86_400;

// A field of another type than expected is as good as absent: the agent judges its own config.
const text = z.string().max(1024).optional().catch(undefined);
const schema = z.object({
  name: text,
  description: text,
  runtime: text,
  model: text,
  tier: z.int().min(1).max(4).optional().catch(undefined),
  runtime_config: z
    .object({
      model: text,
      required_env: z.array(z.string().min(1).max(128)).max(256).catch([]).default([]),
      provision_timeout_seconds: z.int().min(1).max(DAY_SECONDS).optional().catch(undefined),
    })
    .catch({ model: undefined, required_env: [], provision_timeout_seconds: undefined })
    .default({ model: undefined, required_env: [], provision_timeout_seconds: undefined }),
});

/** Undefined for what is no YAML mapping, or too long to be one. */
export function parseTemplateConfig(configYaml: Uint8Array): TemplateConfig | undefined {
  if (configYaml.byteLength > MOST_CONFIG_BYTES) return undefined;
  let document: unknown;
  try {
    document = parse(Buffer.from(configYaml).toString("utf8"), {
      logLevel: "error",
      maxAliasCount: 50,
      // Both take time that grows with the square of what is read.
      uniqueKeys: false,
      prettyErrors: false,
    });
  } catch {
    return undefined;
  }
  const parsed = schema.safeParse(document);
  if (!parsed.success) return undefined;
  const { runtime_config: runtimeConfig, ...data } = parsed.data;
  const seconds = runtimeConfig.provision_timeout_seconds;
  return {
    name: data.name,
    description: data.description,
    runtime: data.runtime,
    model: data.model ?? runtimeConfig.model,
    tier: data.tier,
    requiredEnv: runtimeConfig.required_env,
    provisionTimeoutMs: seconds === undefined ? undefined : seconds * 1000,
  };
}

/** The variables a config declares as required that are absent or empty; none for a broken config. */
export function findMissingEnv(
  configYaml: Uint8Array,
  env: Readonly<Record<string, string>>,
): readonly string[] {
  const required = parseTemplateConfig(configYaml)?.requiredEnv ?? [];
  return [...new Set(required)].filter((name) => !Object.hasOwn(env, name) || env[name] === "");
}
