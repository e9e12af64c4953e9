import { posix } from "node:path";
import { ImageBuildError } from "../errors.js";
import { parseByteSize } from "../units/byte-size.js";
import { isLoopback, parseBuildkitEndpoint, type BuildkitEndpoint } from "./buildkit-endpoint.js";

type Environment = Readonly<Record<string, string | undefined>>;

/** Ways to build that can be demanded; `auto` takes the first that can do what is asked. */
export const BACKEND_CHOICES = [
  "auto",
  "engine",
  "classic",
  "buildx-docker",
  "docker-container",
  "remote",
] as const;
export type BackendChoice = (typeof BACKEND_CHOICES)[number];

/** A BuildKit daemon that was named, and how it is spoken to. */
export interface RemoteBuildkit {
  readonly endpoint: BuildkitEndpoint;
  /** Holds ca.pem, cert.pem and key.pem; undefined where there is no TLS. */
  readonly certDirectory: string | undefined;
}

/** Limits of the container of a builder. */
export interface BuilderLimits {
  readonly memoryBytes?: number | undefined;
  /** Fractional. */
  readonly cpus?: number | undefined;
}

/** All that decides how images are built; made by {@link buildSettingsFromEnv}. */
export interface BuildSettings {
  readonly backend: BackendChoice;
  /** `MOLECULE_BUILDX_PATH`: this program and no other. */
  readonly buildxPath: string | undefined;
  readonly remote: RemoteBuildkit | undefined;
  /** Docker's own variables, which name the engine for buildx too. */
  readonly dockerHost: string | undefined;
  readonly dockerContext: string | undefined;
  readonly dockerTlsVerify: boolean;
  /** Docker's configuration directory: contexts, credentials, plugins. */
  readonly dockerConfigDirectory: string;
  /** `MOLECULE_BUILDER`: a builder that exists already; it is never changed or removed. */
  readonly builder: string | undefined;
  /** What the names of our builders begin with. */
  readonly namespace: string;
  readonly builderLimits: BuilderLimits;
  /** Image of the daemon in docker-container builders; undefined leaves it to buildx. */
  readonly builderImage: string | undefined;
  /** Builds that run at once on one builder. */
  readonly concurrency: number;
  /** Where records and configurations of builders are kept. */
  readonly stateDirectory: string;
  readonly homeDirectory: string;
  /** The whole environment of buildx, as far as it does not depend on the engine. */
  readonly childEnv: Readonly<Record<string, string>>;
}

export interface BuildSettingsSource {
  readonly homeDirectory: string;
  /** Instead of `MOLECULE_BUILD_STATE_DIR` and its default. */
  readonly stateDirectory?: string | undefined;
}

const DEFAULT_NAMESPACE = "molecule";
const DEFAULT_CONCURRENCY = 4;
const DEFAULT_CERT_DIRECTORY = "/buildkit-certs";

/** Words of other tools for the same thing. */
const SYNONYMS: Readonly<Record<string, BackendChoice>> = {
  buildkitd: "remote",
  dind: "docker-container",
};

/**
 * Reads the variables of the build engine and Docker's own. Empty counts as unset. Nothing is read
 * from disk and no address is made up: what is not named is absent. Throws `ERR_BUILD_SETTINGS`
 * naming the variable.
 */
export function buildSettingsFromEnv(
  env: Environment,
  source: BuildSettingsSource,
): Readonly<BuildSettings> {
  const get = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const dockerConfigDirectory = get("DOCKER_CONFIG") ?? posix.join(source.homeDirectory, ".docker");
  const stateHome = get("XDG_STATE_HOME") ?? posix.join(source.homeDirectory, ".local/state");
  const memory = get("MOLECULE_BUILDER_MEMORY");
  const cpus = get("MOLECULE_BUILDER_CPUS");
  return Object.freeze({
    backend: readChoice(get("MOLECULE_BUILD_BACKEND")),
    buildxPath: absolute("MOLECULE_BUILDX_PATH", get("MOLECULE_BUILDX_PATH")),
    remote: readRemote(get),
    dockerHost: get("DOCKER_HOST"),
    dockerContext: get("DOCKER_CONTEXT"),
    dockerTlsVerify: get("DOCKER_TLS_VERIFY") !== undefined,
    dockerConfigDirectory,
    builder: readName("MOLECULE_BUILDER", get("MOLECULE_BUILDER")),
    namespace:
      readName("MOLECULE_BUILD_NAMESPACE", get("MOLECULE_BUILD_NAMESPACE")) ?? DEFAULT_NAMESPACE,
    builderLimits: {
      memoryBytes: memory === undefined ? undefined : readMemory(memory),
      cpus: cpus === undefined ? undefined : readCpus(cpus),
    },
    builderImage: readImage(get("MOLECULE_BUILDKIT_IMAGE")),
    concurrency: readConcurrency(get("MOLECULE_BUILD_CONCURRENCY")),
    stateDirectory:
      source.stateDirectory ??
      absolute("MOLECULE_BUILD_STATE_DIR", get("MOLECULE_BUILD_STATE_DIR")) ??
      posix.join(stateHome, "molecule-provisioner/build"),
    homeDirectory: source.homeDirectory,
    childEnv: childEnvOf(env, dockerConfigDirectory, source.homeDirectory),
  });
}

function readChoice(text: string | undefined): BackendChoice {
  if (text === undefined) return "auto";
  const choice = BACKEND_CHOICES.find((name) => name === text) ?? SYNONYMS[text];
  return choice ?? refuse("MOLECULE_BUILD_BACKEND", text, `one of ${BACKEND_CHOICES.join(", ")}`);
}

function readRemote(get: (name: string) => string | undefined): RemoteBuildkit | undefined {
  const host = get("BUILDKIT_HOST");
  const insecure = readSwitch("MOLECULE_BUILDKIT_INSECURE", get("MOLECULE_BUILDKIT_INSECURE"));
  const named = absolute("BUILDKIT_CERT_PATH", get("BUILDKIT_CERT_PATH"));
  if (host === undefined) return undefined;
  const endpoint = parseBuildkitEndpoint(host, "BUILDKIT_HOST");
  if (endpoint.kind !== "tcp") return { endpoint, certDirectory: undefined };
  if (named !== undefined) return { endpoint, certDirectory: named };
  // Whoever can speak to a BuildKit daemon runs programs on its host: across a network only with TLS.
  const isPlain = isLoopback(endpoint.host) || insecure;
  return { endpoint, certDirectory: isPlain ? undefined : DEFAULT_CERT_DIRECTORY };
}

function readSwitch(name: string, text: string | undefined): boolean {
  if (text === undefined || text === "0" || text === "false") return false;
  return text === "1" || text === "true" || refuse(name, text, "1 or 0");
}

function readName(name: string, text: string | undefined): string | undefined {
  if (text === undefined || /^[A-Za-z][\w.-]{0,62}$/.test(text)) return text;
  return refuse(name, text, "a letter and at most 62 letters, digits, dots, dashes or underscores");
}

/** The image becomes a driver option, which buildx splits at commas. */
function readImage(text: string | undefined): string | undefined {
  if (text === undefined || /^[\w][\w.:/@-]{0,255}$/.test(text)) return text;
  return refuse("MOLECULE_BUILDKIT_IMAGE", text, "an image reference");
}

function readMemory(text: string): number {
  try {
    return parseByteSize(text);
  } catch (cause) {
    return refuse("MOLECULE_BUILDER_MEMORY", text, "a size such as 4GB", cause);
  }
}

function readCpus(text: string): number {
  const cpus = /^\d{1,4}(?:\.\d{1,3})?$/.test(text) ? Number(text) : 0;
  return cpus > 0
    ? cpus
    : refuse("MOLECULE_BUILDER_CPUS", text, "a number of CPUs such as 2 or 1.5");
}

function readConcurrency(text: string | undefined): number {
  if (text === undefined) return DEFAULT_CONCURRENCY;
  const count = /^\d{1,3}$/.test(text) ? Number(text) : 0;
  return count > 0 ? count : refuse("MOLECULE_BUILD_CONCURRENCY", text, "a number from 1 to 999");
}

function absolute(name: string, path: string | undefined): string | undefined {
  if (path === undefined || posix.isAbsolute(path)) return path;
  return refuse(name, path, "an absolute path");
}

function refuse(name: string, text: string, wanted: string, cause?: unknown): never {
  throw new ImageBuildError(
    "ERR_BUILD_SETTINGS",
    `${name} is ${JSON.stringify(text.slice(0, 80))}, not ${wanted}.`,
    { hint: `Correct ${name}, or unset it.`, ...(cause === undefined ? {} : { cause }) },
  );
}

/** Nothing else of our environment is buildx's business, least of all which builder is the current one. */
const CHILD_VARIABLES = [
  "PATH",
  "HOME",
  "LANG",
  "TMPDIR",
  "SSH_AUTH_SOCK",
  "XDG_RUNTIME_DIR",
  "XDG_CONFIG_HOME",
  "XDG_DATA_HOME",
  "DBUS_SESSION_BUS_ADDRESS",
  "GNUPGHOME",
  "PASSWORD_STORE_DIR",
  "KUBECONFIG",
  "HTTP_PROXY",
  "HTTPS_PROXY",
  "ALL_PROXY",
  "NO_PROXY",
  "SSL_CERT_FILE",
  "SSL_CERT_DIR",
  "DOCKER_HOST",
  "DOCKER_CONTEXT",
  "DOCKER_CERT_PATH",
  "DOCKER_TLS_VERIFY",
  "DOCKER_API_VERSION",
];

function childEnvOf(
  env: Environment,
  dockerConfigDirectory: string,
  homeDirectory: string,
): Readonly<Record<string, string>> {
  const picked: Record<string, string> = { HOME: homeDirectory };
  for (const name of CHILD_VARIABLES) {
    for (const spelling of name.endsWith("_PROXY") ? [name, name.toLowerCase()] : [name]) {
      const value = env[spelling];
      if (value !== undefined && value !== "") picked[spelling] = value;
    }
  }
  picked["DOCKER_CONFIG"] = dockerConfigDirectory;
  // Named, so that builders are found also by a call that has a Docker configuration of its own.
  picked["BUILDX_CONFIG"] = env["BUILDX_CONFIG"] || posix.join(dockerConfigDirectory, "buildx");
  return Object.freeze(picked);
}
