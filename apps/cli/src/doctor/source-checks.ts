import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  createGiteaClient,
  giteaSettingsFromEnv,
  parseRepository,
} from "@molecule-ai/gitea-client";
import {
  familiarName,
  parseImageReference,
  registryHost,
  runtimeImage,
  templateRepositoryUrl,
  type RegistryChoice,
  type RuntimeRegistry,
} from "@molecule-ai/registry-mode";
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import type { Environment } from "../config.js";
import { ok, skipped, type Check } from "./check.js";
import type { ClockReading } from "./clock.js";

/** Where images come from, and whose templates or images to try. */
export interface SourceFacts {
  readonly env: Environment;
  readonly registry: RegistryChoice;
  readonly runtimes: RuntimeRegistry;
}

export interface GiteaFinding {
  readonly check: Check;
  readonly clock: ClockReading | undefined;
}

/** Is the template server there, and does it let us in? */
export async function checkGitea(
  { env, registry, runtimes }: SourceFacts,
  now: () => number,
  signal: AbortSignal,
): Promise<GiteaFinding> {
  if (registry.kind === "registry") {
    return { check: skipped("gitea", "images come from a registry"), clock: undefined };
  }
  const runtime = sampleRuntime(runtimes);
  const repository = parseRepository(templateRepositoryUrl(registry.repositoryPrefix, runtime));
  const settings = giteaSettingsFromEnv(env);
  await using gitea = createGiteaClient({ settings, retries: 0 });
  const { version, date } = await gitea.version(repository, { signal });
  const clock =
    date === undefined ? undefined : { who: repository.origin, theirs: date, ours: now() };
  const credential = settings.credential === undefined ? "no token" : "with a token";
  return { check: ok("gitea", `${version} at ${repository.origin}, ${credential}`), clock };
}

/** Does the registry give us the image of a runtime? The engine asks, as it will when it pulls. */
export async function checkRegistry(
  engine: DockerEngine,
  { registry, runtimes }: SourceFacts,
  signal: AbortSignal,
): Promise<Check> {
  const name = "registry";
  if (registry.kind === "local-build") return skipped(name, "images are built here");
  const image = runtimeImage(registry.prefix, sampleRuntime(runtimes));
  const reference = parseImageReference(image);
  const host = registryHost(reference);
  const auth = await engine.registryAuth(image, { signal });
  const response = await engine.request({
    method: "GET",
    path: `/distribution/${familiarName(reference)}:${reference.tag ?? "latest"}/json`,
    headers: auth === undefined ? {} : { "X-Registry-Auth": auth },
    expect: [200, 401, 403, 404, 500],
    subject: image,
    signal,
  });
  response.body.resume();
  const who = auth === undefined ? "without credentials" : "with credentials";
  if (response.status === 200) return ok(name, `${host} gives ${image}, asked ${who}`);
  return {
    name,
    status: "failed",
    message: `${host} does not give ${image}, asked ${who} (the engine answered ${response.status})`,
    remedy:
      auth === undefined
        ? `Log in with docker login ${host}, or check MOLECULE_IMAGE_REGISTRY.`
        : `Check that the account may read it, and MOLECULE_IMAGE_REGISTRY.`,
  };
}

/** Git makes checkouts cheaper; without it the commit comes as an archive. */
export async function checkGit(
  { env, registry }: SourceFacts,
  signal: AbortSignal,
): Promise<Check> {
  const name = "git";
  if (registry.kind === "registry") return skipped(name, "images come from a registry");
  const program = env["MOLECULE_GIT_PATH"] ?? "git";
  if (program === "") return skipped(name, "MOLECULE_GIT_PATH is empty: archives are used");
  try {
    const { stdout } = await promisify(execFile)(program, ["--version"], {
      signal,
      maxBuffer: 64 * 1024,
      env: { PATH: env["PATH"] ?? "" },
    });
    return ok(name, stdout.trim().replace(/^git version /, ""));
  } catch {
    signal.throwIfAborted();
    return {
      name,
      status: "warning",
      message: `${program} cannot be run; templates are fetched as archives`,
      remedy: "Install git, for example with apt-get install git.",
    };
  }
}

/** One whose template or image most probably exists. */
function sampleRuntime({ runtimes }: RuntimeRegistry): string {
  const sample =
    runtimes.find(({ origin }) => origin === "extra") ?? runtimes.find(({ mirrored }) => mirrored);
  return (sample ?? runtimes[0])?.name ?? "langgraph";
}
