import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  cleanupEngine,
  findBuildx,
  findTestEngine,
  findTestRegistry,
  startTestRegistry,
  uniqueName,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { readdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import type { BuildOptions, BuildResult, ImageBuilder } from "../src/image-builder.js";
import { createDockerConfig } from "../src/publish/docker-config.js";
import { backendOf, openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { directoryOf, engineAt } from "./setup.js";

const found = await findTestEngine();
const program = await findBuildx();
const registryFound = await findTestRegistry();
const skip = found.skip ?? program.skip ?? registryFound.skip;
const run = uniqueName("buildx-registry");
const label = `molecule.test.run=${run}`;
const AUTH = { username: "builder", password: "k9-registry-password-Zq" };

describe.skipIf(skip !== undefined)(
  "a build with buildx and a registry that asks who it is",
  () => {
    let engine: DockerEngine;
    let tools: TestBuildx;
    let registry: TestRegistry;

    beforeAll(async () => {
      engine = await engineAt(found.socketPath ?? "");
      tools = await openTestBuildx(program.file ?? "", found.dockerHost ?? "");
      registry = await startTestRegistry({ auth: AUTH });
    });
    afterAll(async () => {
      await registry[Symbol.asyncDispose]();
      await tools[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await cleanupEngine(found.socketPath ?? "", label);
    });

    const builderOf = (isLoggedIn: boolean): ImageBuilder =>
      createImageBuilder({
        engine,
        buildx: tools.buildx,
        backend: backendOf("docker", "default"),
        registryAccess: isLoggedIn
          ? ({ signal }) =>
              createDockerConfig({
                logins: [
                  { host: registry.host, credential: { kind: "password", ...AUTH }, origin: "R" },
                ],
                signal,
              })
          : undefined,
      });
    const build = async (
      builder: ImageBuilder,
      Dockerfile: string,
      options: Partial<BuildOptions>,
    ): Promise<BuildResult> => {
      await using directory = await directoryOf({ Dockerfile });
      return await builder.build({
        context: { kind: "directory", path: directory.path },
        tags: [`${registry.host}/team/image:1`],
        labels: { "molecule.test.run": run },
        ...options,
      });
    };
    const BASE = "FROM molecule-test/busybox:latest\n";

    it("pushes as it builds, takes what was pushed for a base, and keeps nothing of the login", async () => {
      const builder = builderOf(true);
      const pushed = await build(builder, `${BASE}RUN echo pushed > /a\n`, {
        output: { push: true },
        cache: { imports: [], exports: [{ type: "inline", ref: "", direction: "export" }] },
      });
      expect(pushed).toMatchObject({
        imageId: undefined,
        // The docker driver with a classic store does not tell it.
        digest: undefined,
        cache: { exports: [{ outcome: "exported" }] },
      });
      const ref = `${registry.host}/team/image:1`;
      const based = await build(builder, `FROM ${ref}\nRUN cat /a\n`, {
        tags: [`molecule-test/${run}:1`],
        cache: { imports: [{ type: "registry", ref, direction: "import" }], exports: [] },
        noCache: true,
      });
      expect(based.imageId).toMatch(/^sha256:/);
      expect(based.cache.imports).toMatchObject([{ ref }]);
      const left = await readdir(tmpdir());
      expect(left.filter((name) => name.startsWith("molecule-docker-config-"))).toEqual([]);
      expect(await tools.calls()).not.toContain(AUTH.password);
    });

    it("is refused without a login, and says so", async () => {
      await expect(
        build(builderOf(false), `${BASE}RUN echo refused > /a\n`, { output: { push: true } }),
      ).rejects.toMatchObject({
        code: "ERR_PUSH_FAILED",
        tag: `${registry.host}/team/image:1`,
        failureClass: "credentials",
      });
    });
  },
);
