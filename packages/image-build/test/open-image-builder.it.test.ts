import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  BUSYBOX_IMAGE,
  findBuildx,
  findTestEngine,
  startBuildkitBridge,
  uniqueName,
} from "@molecule-ai/testkit";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  buildSettingsFromEnv,
  openImageBuilder,
  type BuildOptions,
  type BuildResult,
} from "../src/index.js";
import { directoryOf, engineAt } from "./setup.js";

const found = await findTestEngine();
const buildx = await findBuildx();

describe.skipIf(found.skip !== undefined || buildx.skip !== undefined)("an opened builder", () => {
  const socketPath = found.socketPath ?? "";
  let engine: DockerEngine;
  let home: string;
  beforeAll(async () => {
    engine = await engineAt(socketPath);
  });
  afterAll(() => engine[Symbol.asyncDispose]());
  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), "open-builder-"));
  });
  afterEach(() => rm(home, { recursive: true, force: true }));

  async function build(
    env: Readonly<Record<string, string>>,
    options: Partial<BuildOptions> = {},
    dockerfile = `FROM ${BUSYBOX_IMAGE}\nRUN echo ${uniqueName("n")}\n`,
  ): Promise<BuildResult> {
    const settings = buildSettingsFromEnv(
      {
        PATH: dirname(buildx.file ?? ""),
        DOCKER_HOST: found.dockerHost,
        DOCKER_CONFIG: join(home, "docker"),
        ...env,
      },
      { homeDirectory: home },
    );
    const builder = openImageBuilder({ engine, settings, repositoryId: "https://h/o/r.git" });
    await using directory = await directoryOf({ Dockerfile: dockerfile });
    const tag = `${uniqueName("molecule-test/opened")}:1`;
    try {
      return await builder.build({
        context: { kind: "directory", path: directory.path },
        tags: [tag],
        labels: { "molecule.test": "true" },
        ...options,
      });
    } finally {
      await engine.images.remove(tag);
    }
  }
  const secret: Partial<BuildOptions> = {
    secrets: [{ id: "token", source: { kind: "value", value: "s3cret" } }],
  };

  it("builds with the engine when nothing is named, and looks for nothing else", async () => {
    const env = { MOLECULE_BUILDX_PATH: "/nothing/here" };
    expect(await build(env)).toMatchObject({ backend: "buildkit", builder: undefined });
  });

  it("takes buildx for what the engine cannot do alone", async () => {
    const dockerfile = `FROM ${BUSYBOX_IMAGE}\nRUN --mount=type=secret,id=token wc -c < /run/secrets/token\n`;
    expect(await build({}, secret, dockerfile)).toMatchObject({
      backend: "buildx",
      builder: { driver: "docker" },
    });
  });

  it("uses the daemon that is named", async () => {
    await using bridge = await startBuildkitBridge({ socketPath });
    const output = { directory: join(home, "out") };
    const dockerfile = "FROM scratch\nCOPY Dockerfile /copied\n";
    const result = await build({ BUILDKIT_HOST: bridge.address }, { output }, dockerfile);
    expect(result).toMatchObject({ backend: "buildx", builder: { driver: "remote" } });
    expect(await readFile(join(home, "out/copied"), "utf8")).toBe(dockerfile);
    expect(bridge.accepted).toBeGreaterThan(0);
  });

  it("falls back from nothing that is named", async () => {
    const env = { BUILDKIT_HOST: "tcp://127.0.0.1:9" };
    await expect(build(env)).rejects.toMatchObject({ code: "ERR_BUILD_BACKEND" });
    await expect(build({ MOLECULE_BUILD_BACKEND: "remote" })).rejects.toMatchObject({
      code: "ERR_BUILD_BACKEND",
    });
  });

  it("says what is missing when buildx is needed and there is none", async () => {
    await expect(build({ MOLECULE_BUILDX_PATH: "/nothing/here" }, secret)).rejects.toMatchObject({
      code: "ERR_BUILD_BACKEND",
    });
  });
});
