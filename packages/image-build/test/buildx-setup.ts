import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "semver";
import type { BuildBackend, BuilderDriver } from "../src/backends/backend.js";
import { buildxCapabilities } from "../src/backends/capabilities.js";
import { createBuildx, type Buildx } from "../src/buildx/buildx.js";

/** A buildx with a configuration of its own, for one engine; disposal removes the configuration. */
export interface TestBuildx extends AsyncDisposable {
  readonly buildx: Buildx;
  /** Its arguments, one a line, of every call so far. */
  calls(): Promise<string>;
  /** Takes and gives the same program for another address of the engine. */
  at(dockerHost: string): Buildx;
  /** The same program, which says that it is of another version. */
  posingAs(version: string): Promise<Buildx>;
}

export async function openTestBuildx(file: string, dockerHost: string): Promise<TestBuildx> {
  const directory = await mkdtemp(join(tmpdir(), "molecule-buildx-test-"));
  const log = join(directory, "calls");
  const wrapper = join(directory, "buildx");
  await writeFile(log, "");
  await writeFile(wrapper, `#!/bin/sh\nprintf '%s\\n' "$@" >> '${log}'\nexec '${file}' "$@"\n`);
  await chmod(wrapper, 0o755);
  const at = (host: string, command = wrapper): Buildx =>
    createBuildx({
      command: { file: command, args: [] },
      env: {
        PATH: "/usr/bin:/bin",
        HOME: directory,
        DOCKER_HOST: host,
        DOCKER_CONFIG: directory,
        BUILDX_CONFIG: directory,
      },
    });
  return {
    buildx: at(dockerHost),
    at,
    async posingAs(version) {
      const poser = join(directory, `buildx-${version}`);
      const says = `echo 'github.com/docker/buildx v${version} 0000000'`;
      await writeFile(
        poser,
        `#!/bin/sh\nif [ "$1" = version ]; then ${says}; exit; fi\nexec '${wrapper}' "$@"\n`,
      );
      await chmod(poser, 0o755);
      return at(dockerHost, poser);
    },
    calls: () => readFile(log, "utf8"),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** A builder as it is here: the BuildKit inside an engine with the classic store. */
export function backendOf(driver: BuilderDriver, builder: string): BuildBackend {
  const buildxVersion = parse("0.13.1");
  if (buildxVersion === null) throw new Error("no version");
  return {
    name: "buildx",
    driver,
    builder,
    endpoint: "test",
    capabilities: buildxCapabilities({
      driver,
      buildxVersion,
      daemon: { kind: "running", buildkitVersion: undefined, hasContentStore: driver !== "docker" },
      hasEngine: true,
    }),
  };
}
