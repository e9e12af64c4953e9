import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { EngineError } from "./errors.js";
import { readAuths, type RegistryCredential } from "./registry-credential.js";

/** What we use of Docker's own `config.json`. */
export interface DockerConfig {
  readonly currentContext: string | undefined;
  readonly auths: ReadonlyMap<string, RegistryCredential>;
  /** Helper for all registries; `desktop` means the program docker-credential-desktop. */
  readonly credsStore: string | undefined;
  /** Helper by registry, as written. */
  readonly credHelpers: Readonly<Record<string, string>>;
}

const LARGEST_CONFIG_BYTES = 4 * 1024 * 1024;

const CONFIG = z.looseObject({
  currentContext: z.string().nullish(),
  credsStore: z.string().nullish(),
  credHelpers: z.record(z.string(), z.string()).nullish(),
});

/** Reads `config.json`; an absent file is an empty configuration. Throws `ERR_ENGINE_SETTINGS`. */
export async function readDockerConfig(directory: string): Promise<DockerConfig> {
  const path = join(directory, "config.json");
  const value = await readJsonFile(path);
  const config = CONFIG.safeParse(value ?? {});
  if (!config.success) throw unusable(path, "has an unknown shape");
  return {
    currentContext: present(config.data.currentContext),
    credsStore: present(config.data.credsStore),
    credHelpers: config.data.credHelpers ?? {},
    auths: readAuths(value ?? {}),
  };
}

/** A Docker context's engine. */
export interface DockerContext {
  readonly host: string;
  readonly skipTlsVerify: boolean;
  /** Directory of ca.pem, cert.pem and key.pem, which may be absent. */
  readonly tlsDirectory: string;
}

const CONTEXT = z.looseObject({
  Name: z.string(),
  Endpoints: z.looseObject({
    docker: z.looseObject({ Host: z.string(), SkipTLSVerify: z.boolean().optional() }),
  }),
});

/** Reads a context that `docker context create` made. Throws `ERR_ENGINE_SETTINGS` when absent. */
export async function readDockerContext(directory: string, name: string): Promise<DockerContext> {
  const id = createHash("sha256").update(name).digest("hex");
  const path = join(directory, "contexts", "meta", id, "meta.json");
  const value = await readJsonFile(path);
  if (value === undefined) {
    throw new EngineError(
      "ERR_ENGINE_SETTINGS",
      `There is no Docker context ${JSON.stringify(name)} in ${directory}`,
      { hint: "List them with docker context ls, or unset DOCKER_CONTEXT." },
    );
  }
  const context = CONTEXT.safeParse(value);
  if (!context.success) throw unusable(path, "names no Docker endpoint");
  const { docker } = context.data.Endpoints;
  return {
    host: docker.Host,
    skipTlsVerify: docker.SkipTLSVerify ?? false,
    tlsDirectory: join(directory, "contexts", "tls", id, "docker"),
  };
}

async function readJsonFile(path: string): Promise<unknown> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw unusable(path, `cannot be read (${code ?? "unknown error"})`, cause);
  }
  if (bytes.length > LARGEST_CONFIG_BYTES) throw unusable(path, "is too large");
  try {
    return JSON.parse(bytes.toString("utf8")) as unknown;
  } catch {
    // Without the parser's error: it quotes the file, which holds credentials.
    throw unusable(path, "is not JSON");
  }
}

function unusable(path: string, why: string, cause?: unknown): EngineError {
  return new EngineError("ERR_ENGINE_SETTINGS", `Docker's configuration ${path} ${why}`, {
    hint: "Repair or remove the file, or set DOCKER_CONFIG to another directory.",
    details: { path },
    ...(cause === undefined ? {} : { cause }),
  });
}

function present(text: string | null | undefined): string | undefined {
  return text === null || text === "" ? undefined : text;
}
