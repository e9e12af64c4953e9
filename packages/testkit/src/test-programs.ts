import { access } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import { skipOrThrow } from "./skip.js";

/** A program that tests run, or why there is none. */
export type FoundProgram =
  | { readonly file: string; readonly skip: undefined }
  | { readonly file: undefined; readonly skip: string };

const PLUGIN_DIRECTORIES = ["usr/libexec/docker/cli-plugins", "usr/lib/docker/cli-plugins"];

/**
 * The buildx plugin, to be run by itself: the file named by `MOLECULE_TEST_BUILDX`, `docker-buildx` on
 * PATH, in Docker's plugin directories, or where `npm test` unpacks Debian's package. With `buildx` in
 * `MOLECULE_TEST_REQUIRE` it throws where there is none.
 */
export async function findBuildx(): Promise<FoundProgram> {
  const plugins = [
    ...PLUGIN_DIRECTORIES.map((dir) => join("/", dir)),
    ...dockerPluginDirectories(),
  ];
  const file =
    named("MOLECULE_TEST_BUILDX") ??
    (await findOnPath("docker-buildx")) ??
    (await firstExecutable(plugins.map((dir) => join(dir, "docker-buildx")))) ??
    (await firstExecutable(
      PLUGIN_DIRECTORIES.map((dir) => join(unpackedDirectory(), dir, "docker-buildx")),
    ));
  return file === undefined
    ? missing("buildx", "no docker-buildx (on Debian 13: apt-get install docker-buildx)")
    : found("buildx", file);
}

/** The cosign program, looked for as {@link findBuildx} does: `MOLECULE_TEST_COSIGN`, PATH, unpacked. */
export async function findCosign(): Promise<FoundProgram> {
  const file =
    named("MOLECULE_TEST_COSIGN") ??
    (await findOnPath("cosign")) ??
    (await firstExecutable([join(unpackedDirectory(), "usr/bin/cosign")]));
  return file === undefined
    ? missing("cosign", "no cosign (on Debian 13: apt-get install cosign)")
    : found("cosign", file);
}

/** The first executable of that name on PATH, or in the system's own directories. */
export async function findOnPath(name: string): Promise<string | undefined> {
  const path = (process.env["PATH"] ?? "").split(":").filter((directory) => directory !== "");
  const directories = [...path, "/usr/bin", "/usr/sbin", "/sbin"];
  return firstExecutable(directories.map((directory) => join(directory, name)));
}

async function found(what: string, file: string): Promise<FoundProgram> {
  if (await isExecutable(file)) return { file, skip: undefined };
  return missing(what, `${file} is not a program that can be run`);
}

function missing(what: string, reason: string): FoundProgram {
  return { file: undefined, skip: skipOrThrow(what, reason) };
}

function named(variable: string): string | undefined {
  const value = process.env[variable];
  return value === undefined || value === "" ? undefined : value;
}

function dockerPluginDirectories(): string[] {
  return [join(named("DOCKER_CONFIG") ?? join(homedir(), ".docker"), "cli-plugins")];
}

/** Where `scripts/debian-programs.mjs` unpacks packages that the running release does not have. */
function unpackedDirectory(): string {
  const cache = named("XDG_CACHE_HOME") ?? join(homedir(), ".cache");
  return join(cache, "molecule-test-programs");
}

async function firstExecutable(files: readonly string[]): Promise<string | undefined> {
  for (const file of files) if (await isExecutable(file)) return file;
  return undefined;
}

async function isExecutable(path: string): Promise<boolean> {
  return access(path, 1).then(
    () => true,
    () => false,
  );
}
