import { posix } from "node:path";
import { EngineError } from "./errors.js";
import { readAuths, type RegistryCredential } from "./registry-credential.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** All that decides which engine is used and with which credentials; made by {@link engineSettingsFromEnv}. */
export interface EngineSettings {
  /** `DOCKER_HOST`: this engine and no other. */
  readonly dockerHost: string | undefined;
  /** `DOCKER_CONTEXT`: this context and no other; `default` means none. */
  readonly dockerContext: string | undefined;
  /** Docker's own configuration directory: `DOCKER_CONFIG` or `~/.docker`. */
  readonly configDirectory: string;
  /** `DOCKER_TLS_VERIFY`: TLS for a `tcp://` host. */
  readonly tlsVerify: boolean;
  /** `DOCKER_CERT_PATH`, else the configuration directory: ca.pem, cert.pem, key.pem. */
  readonly certDirectory: string;
  /** `DOCKER_API_VERSION`: no negotiation. */
  readonly apiVersion: string | undefined;
  /** `XDG_RUNTIME_DIR`. */
  readonly runtimeDirectory: string | undefined;
  readonly homeDirectory: string;
  readonly platform: NodeJS.Platform;
  /** Numeric user id; undefined where there is none. */
  readonly uid: number | undefined;
  /** Credentials from the environment, by registry host; they win over Docker's configuration. */
  readonly credentials: ReadonlyMap<string, RegistryCredential>;
  /** Environment of the programs we run for the user: ssh and credential helpers. */
  readonly childEnv: Readonly<Record<string, string>>;
}

export interface EngineSettingsSource {
  readonly homeDirectory: string;
  readonly platform: NodeJS.Platform;
  readonly uid?: number | undefined;
}

/**
 * Reads Docker's own variables, `GHCR_USER` with `GHCR_TOKEN` (for ghcr.io) and `DOCKER_AUTH_CONFIG`
 * (the content of a Docker config.json). Empty counts as unset. Throws `ERR_ENGINE_SETTINGS`.
 */
export function engineSettingsFromEnv(
  env: Environment,
  source: EngineSettingsSource,
): EngineSettings {
  const get = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const configDirectory = get("DOCKER_CONFIG") ?? posix.join(source.homeDirectory, ".docker");
  return Object.freeze({
    dockerHost: get("DOCKER_HOST"),
    dockerContext: get("DOCKER_CONTEXT"),
    configDirectory,
    tlsVerify: get("DOCKER_TLS_VERIFY") !== undefined,
    certDirectory: get("DOCKER_CERT_PATH") ?? configDirectory,
    apiVersion: apiVersionOf(get("DOCKER_API_VERSION")),
    runtimeDirectory: get("XDG_RUNTIME_DIR"),
    homeDirectory: source.homeDirectory,
    platform: source.platform,
    uid: source.uid,
    credentials: credentialsOf(get),
    childEnv: childEnvOf(env),
  });
}

function apiVersionOf(text: string | undefined): string | undefined {
  if (text === undefined || /^\d{1,3}\.\d{1,3}$/.test(text)) return text;
  throw new EngineError(
    "ERR_ENGINE_SETTINGS",
    `DOCKER_API_VERSION is ${JSON.stringify(text.slice(0, 40))}, which is no API version`,
    { hint: "Write it as 1.41, or unset it to let the engine decide." },
  );
}

function credentialsOf(
  get: (name: string) => string | undefined,
): ReadonlyMap<string, RegistryCredential> {
  const credentials = new Map<string, RegistryCredential>();
  const text = get("DOCKER_AUTH_CONFIG");
  if (text !== undefined) {
    for (const [host, credential] of readAuths(parseAuthConfig(text))) {
      credentials.set(host, credential);
    }
  }
  const password = get("GHCR_TOKEN");
  const username = get("GHCR_USER");
  if (username !== undefined && password !== undefined) {
    credentials.set("ghcr.io", { kind: "password", username, password });
  }
  return credentials;
}

function parseAuthConfig(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's message would quote a part of the secret.
    throw new EngineError("ERR_ENGINE_SETTINGS", "DOCKER_AUTH_CONFIG is not JSON", {
      hint: 'Write it as {"auths": {"registry.example.com": {"auth": "<base64 of user:password>"}}}.',
    });
  }
}

const CHILD_VARIABLES = [
  "PATH",
  "HOME",
  "USER",
  "LOGNAME",
  "LANG",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "DOCKER_CONFIG",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "DBUS_SESSION_BUS_ADDRESS",
  "DISPLAY",
  "WAYLAND_DISPLAY",
  "GNUPGHOME",
  "GPG_TTY",
  "PASSWORD_STORE_DIR",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "NO_PROXY",
  "http_proxy",
  "https_proxy",
  "no_proxy",
  // Windows programs do not start without these.
  "SystemRoot",
  "APPDATA",
  "LOCALAPPDATA",
  "USERPROFILE",
];

// Cloud registries' helpers read their own accounts; nothing else of the environment is their business.
const CHILD_PREFIX = /^(?:AWS|ECR|GOOGLE|GCLOUD|CLOUDSDK|AZURE|ACR)_/;

function childEnvOf(env: Environment): Readonly<Record<string, string>> {
  const picked: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined) continue;
    if (CHILD_VARIABLES.includes(name) || CHILD_PREFIX.test(name)) picked[name] = value;
  }
  return Object.freeze(picked);
}
