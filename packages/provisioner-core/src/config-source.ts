import { stat } from "node:fs/promises";
import { join } from "node:path";
import { WorkspaceError } from "./errors.js";

/** What may bring a `config.yaml`. */
export interface ConfigSource {
  /** Directory of a template; empty or undefined for none. */
  readonly templatePath?: string | undefined;
  readonly configFiles?: Readonly<Record<string, Uint8Array>> | undefined;
}

/**
 * Resolves when the template has a regular `config.yaml` or the config files have one that is not
 * empty; throws `ERR_WORKSPACE_NO_CONFIG_SOURCE` otherwise. Ported from the Go provisioner's
 * ValidateConfigSource.
 */
export async function validateConfigSource(source: ConfigSource): Promise<void> {
  if ((source.configFiles?.["config.yaml"]?.byteLength ?? 0) > 0) return;
  const path = source.templatePath ?? "";
  if (path !== "" && (await isFile(join(path, "config.yaml")))) return;
  throw noConfigSource(path);
}

export function noConfigSource(templatePath: string): WorkspaceError {
  const where = templatePath === "" ? "no template was given" : `${templatePath} has none`;
  return new WorkspaceError(
    "ERR_WORKSPACE_NO_CONFIG_SOURCE",
    `There is no config.yaml for the workspace: ${where} and it is not among the config files.`,
    { hint: "Add a config.yaml to the template, or give one as a config file." },
  );
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}
