import { parseImageReference, parsePlatform } from "@molecule-ai/registry-mode";
import { ImageBuildError } from "./errors.js";
import type { BuildLimits, BuildOptions } from "./image-builder.js";

/** {@link BuildLimits} with every default in place; `undefined` means no limit. */
export interface ResolvedBuildLimits {
  readonly memoryBytes: number | undefined;
  readonly cpus: number | undefined;
  readonly contextBytes: number;
  readonly contextFiles: number;
  readonly idleTimeoutMs: number;
  readonly totalTimeoutMs: number;
  readonly logBytes: number;
}

/** The defaults of {@link BuildLimits}. */
export const DEFAULT_BUILD_LIMITS: Readonly<Omit<ResolvedBuildLimits, "memoryBytes" | "cpus">> = {
  contextBytes: 1024 ** 3,
  contextFiles: 100_000,
  idleTimeoutMs: 10 * 60_000,
  totalTimeoutMs: 60 * 60_000,
  logBytes: 16 * 1024 ** 2,
};

export const DEFAULT_DOCKERFILE = "Dockerfile";

export function resolveLimits(limits: BuildLimits = {}): ResolvedBuildLimits {
  for (const [name, value] of Object.entries(limits) as [string, number | undefined][]) {
    if (value !== undefined && !(value > 0)) refuse(`the limit ${name} must be above zero`);
  }
  return {
    memoryBytes: limits.memoryBytes,
    cpus: limits.cpus,
    contextBytes: limits.contextBytes ?? DEFAULT_BUILD_LIMITS.contextBytes,
    contextFiles: limits.contextFiles ?? DEFAULT_BUILD_LIMITS.contextFiles,
    idleTimeoutMs: limits.idleTimeoutMs ?? DEFAULT_BUILD_LIMITS.idleTimeoutMs,
    totalTimeoutMs: limits.totalTimeoutMs ?? DEFAULT_BUILD_LIMITS.totalTimeoutMs,
    logBytes: limits.logBytes ?? DEFAULT_BUILD_LIMITS.logBytes,
  };
}

/** Refuses, before anything is read or sent, what a builder would refuse later or take for something else. */
export function checkOptions(options: BuildOptions): void {
  checkTags(options);
  for (const [what, values] of [
    ["label", options.labels],
    ["annotation", options.annotations],
    ["build argument", options.buildArgs],
  ] as const) {
    for (const [key, value] of Object.entries(values ?? {})) {
      if (key === "" || /[=\0]/.test(key) || value.includes("\0")) {
        refuse(`${JSON.stringify(key)} cannot be a ${what}`);
      }
    }
  }
  checkPlatforms(options);
  checkContexts(options);
  checkSecrets(options);
  const epoch = options.sourceDateEpoch ?? 0;
  // Eleven octal digits: what a tar header holds.
  if (!Number.isSafeInteger(epoch) || epoch < 0 || epoch > 0o77777777777) {
    refuse("sourceDateEpoch must be whole seconds since 1970");
  }
}

function checkTags({ tags }: BuildOptions): void {
  if (tags.length === 0) refuse("a build needs at least one tag");
  for (const tag of tags) {
    if (parseImageReference(tag).digest !== undefined) {
      refuse(`${tag} has a digest: what is built is named by a tag`);
    }
  }
}

function checkPlatforms({ platform, platforms }: BuildOptions): void {
  if (platforms === undefined) return;
  if (platform !== undefined) refuse("either platform or platforms is given, not both");
  if (platforms.length === 0) refuse("platforms names none");
  for (const one of platforms) parsePlatform(one);
}

function checkContexts({ context, namedContexts }: BuildOptions): void {
  if (context.kind === "git") checkGit(context);
  const { subdirectory } = context as { subdirectory?: string | undefined };
  if (subdirectory !== undefined && !/^(?!\.\.?(?:\/|$))[^:#\0]+$/.test(subdirectory)) {
    refuse(`${JSON.stringify(subdirectory)} cannot be a subdirectory of a repository`);
  }
  for (const [name, named] of Object.entries(namedContexts ?? {})) {
    // The names that a Dockerfile can use: stages and images.
    if (!/^[A-Za-z0-9][\w./:@-]{0,254}$/.test(name)) {
      refuse(`${JSON.stringify(name)} cannot name a context`);
    }
    if (named.kind === "git") checkGit(named);
    if (named.kind === "image") parseImageReference(named.reference);
    if (named.kind === "oci-layout" && !/^sha256:[0-9a-f]{64}$/.test(named.digest)) {
      refuse(`the context ${name} needs the digest of a manifest`);
    }
    if (named.kind === "directory" && /:\/\/|^-/.test(named.path)) {
      refuse(`the context ${name} is no directory`);
    }
  }
}

/** BuildKit fetches by HTTP what does not look like a repository, and a branch moves. */
function checkGit({ url, commit }: { readonly url: string; readonly commit: string }): void {
  if (!/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(commit)) {
    refuse(`${JSON.stringify(commit)} is not a full commit id`);
  }
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  const isHttp = parsed?.protocol === "https:" || parsed?.protocol === "http:";
  const isGit = isHttp
    ? parsed.pathname.endsWith(".git") && parsed.search === ""
    : parsed?.protocol === "ssh:" || parsed?.protocol === "git:";
  if (!isGit || /[#\s]/.test(url)) {
    refuse("the address of a repository is https://….git, ssh://… or git://…");
  }
  if (parsed?.password !== "" || (isHttp && parsed.username !== "")) {
    refuse("an address with credentials is readable for everybody; give the secret GIT_AUTH_TOKEN");
  }
}

function checkSecrets({ secrets = [], ssh = [] }: BuildOptions): void {
  const names = (what: string, ids: readonly string[]): void => {
    for (const [index, id] of ids.entries()) {
      if (!/^[A-Za-z0-9_][\w.-]{0,127}$/.test(id)) {
        refuse(`${JSON.stringify(id)} cannot be the id of a ${what}`);
      }
      if (ids.indexOf(id) !== index) refuse(`the id ${id} is given to more than one ${what}`);
    }
  };
  names(
    "secret",
    secrets.map(({ id }) => id),
  );
  names(
    "ssh agent",
    ssh.map(({ id = "default" }) => id),
  );
  for (const { id, source } of secrets) {
    if (source.kind === "value" && source.value.includes("\0")) {
      refuse(`the secret ${id} holds a zero byte: give it as a file`);
    }
  }
  for (const { agentSocket, keyFiles = [] } of ssh) {
    const isBoth = agentSocket !== undefined && keyFiles.length > 0;
    if (isBoth) refuse("an ssh agent and key files exclude each other");
    if (keyFiles.some((path) => path.includes(",")))
      refuse("no key file can have a comma in its name");
  }
}

function refuse(reason: string): never {
  throw new ImageBuildError("ERR_BUILD_OPTIONS", `The build cannot start: ${reason}.`, {
    hint: "Correct that option and build again.",
  });
}
