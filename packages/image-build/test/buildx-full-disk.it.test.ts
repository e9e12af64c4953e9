import {
  cleanupEngine,
  findBuildx,
  findSecondEngine,
  startSecondEngine,
  type SecondEngine,
} from "@molecule-ai/testkit";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import { backendOf, openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { directoryOf, engineAt } from "./setup.js";

const second = await findSecondEngine();
const program = await findBuildx();
const FILL = "FROM molecule-test/busybox:latest\nRUN dd if=/dev/zero of=/big bs=1M count=200\n";

describe.skipIf(second.skip !== undefined || program.skip !== undefined)(
  "a build on an engine whose disk is full",
  () => {
    let server: SecondEngine;
    let engine: DockerEngine;
    let tools: TestBuildx;

    beforeAll(async () => {
      server = await startSecondEngine({ sizeMb: 64 });
      engine = await engineAt(server.socketPath);
      tools = await openTestBuildx(program.file ?? "", server.dockerHost);
    }, 120_000);
    afterAll(async () => {
      await cleanupEngine(server.socketPath, "molecule.test=true");
      await tools[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    }, 60_000);

    it.each(["engine", "buildx"])(
      "fails by %s, says what is full, and leaves no name",
      async (way) => {
        await using directory = await directoryOf({ Dockerfile: FILL });
        const builder = createImageBuilder({
          engine,
          buildx: tools.buildx,
          backend: way === "engine" ? "engine" : backendOf("docker", "default"),
        });
        const tag = `molecule-test/full-disk:${way}`;
        await expect(
          builder.build({ context: { kind: "directory", path: directory.path }, tags: [tag] }),
        ).rejects.toMatchObject({
          code: "ERR_BUILD_FAILED",
          hint: expect.stringContaining("disk is full") as string,
          failure: { line: 2 },
        });
        expect(await engine.images.inspect(tag)).toBeUndefined();
      },
    );
  },
);
