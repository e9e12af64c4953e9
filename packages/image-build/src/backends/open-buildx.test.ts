import type { EngineEndpoint } from "@molecule-ai/docker-engine";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  buildxEnvironment,
  dockerEndpointOf,
  engineBuilderName,
  openBuildx,
} from "./open-buildx.js";
import { buildSettingsFromEnv, type BuildSettings } from "./settings.js";

const { signal } = new AbortController();
let home: string;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "molecule-buildx-"));
});
afterEach(() => rm(home, { recursive: true, force: true }));

const settingsOf = (env: Record<string, string>): BuildSettings =>
  buildSettingsFromEnv(env, { homeDirectory: home });

async function program(path: string, script = "exit 1"): Promise<string> {
  const file = join(home, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return file;
}

describe("buildx is found", () => {
  const open = async (env: Record<string, string>): Promise<unknown> =>
    (await openBuildx({ settings: settingsOf(env), signal }))?.settings.command;

  test("where it was named, seen or not", async () => {
    expect(await open({ MOLECULE_BUILDX_PATH: "/opt/buildx" })).toEqual({
      file: "/opt/buildx",
      args: [],
    });
  });

  test("on PATH before Docker's plugins", async () => {
    await program(".docker/cli-plugins/docker-buildx");
    const file = await program("bin/docker-buildx");
    expect(await open({ PATH: `${home}/none:${home}/bin` })).toEqual({ file, args: [] });
  });

  test("among the user's plugins", async () => {
    const file = await program(".docker/cli-plugins/docker-buildx");
    expect(await open({ PATH: `${home}/bin` })).toEqual({ file, args: [] });
  });

  test("as a part of docker, when that has it", async () => {
    const file = await program(
      "bin/docker",
      '[ "$1 $2" = "buildx version" ] && echo github.com/docker/buildx v0.13.1 abc',
    );
    const found = (await open({ PATH: `${home}/bin`, HOME: home })) as { file: string };
    // A machine that has the plugin for everybody finds that first.
    if (found.file.startsWith(home)) expect(found).toEqual({ file, args: ["buildx"] });
    else expect(found.file).toMatch(/\/docker-buildx$/);
  });

  test("not in a docker without it", async () => {
    await program("bin/docker", "echo 'unknown command' >&2; exit 1");
    const found = (await open({ PATH: `${home}/bin` })) as { file: string } | undefined;
    expect(found?.file ?? "").not.toContain(home);
  });
});

describe("buildx speaks to the engine that runs the image", () => {
  const unix: EngineEndpoint = {
    kind: "unix",
    address: "/run/user/7/docker.sock",
    origin: "rootless socket",
  };
  const context: EngineEndpoint = { kind: "tls", address: "d:2376", origin: 'context "far"' };

  test("at the socket that was found", () => {
    expect(buildxEnvironment(settingsOf({}), unix)["DOCKER_HOST"]).toBe(
      "unix:///run/user/7/docker.sock",
    );
    expect(engineBuilderName(settingsOf({}), unix)).toBe("default");
    expect(dockerEndpointOf(settingsOf({}), unix)).toBe("unix:///run/user/7/docker.sock");
  });

  test("by the name of the Docker context", () => {
    expect(buildxEnvironment(settingsOf({}), context)["DOCKER_HOST"]).toBeUndefined();
    expect(engineBuilderName(settingsOf({}), context)).toBe("far");
    expect(dockerEndpointOf(settingsOf({}), context)).toBe("far");
  });

  test("as DOCKER_HOST says it, before any context", () => {
    const settings = settingsOf({ DOCKER_HOST: "ssh://u@h", DOCKER_CONTEXT: "far" });
    const ssh: EngineEndpoint = { kind: "ssh", address: "h", origin: "DOCKER_HOST" };
    expect(engineBuilderName(settings, ssh)).toBe("default");
    expect(dockerEndpointOf(settings, ssh)).toBe("ssh://u@h");
  });

  test("but makes no builder where the certificates are only variables", () => {
    const settings = settingsOf({ DOCKER_HOST: "tcp://d:2376", DOCKER_TLS_VERIFY: "1" });
    const tls: EngineEndpoint = { kind: "tls", address: "d:2376", origin: "DOCKER_HOST" };
    expect(dockerEndpointOf(settings, tls)).toBeUndefined();
  });
});
