import type { BuildEvent } from "@molecule-ai/core";
import { connectEngine, engineSettingsFromEnv } from "@molecule-ai/docker-engine";
import {
  busyboxImage,
  callEngine,
  cleanupEngine,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startTestRegistry,
  uniqueName,
} from "@molecule-ai/testkit";
import { describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import type { BuildOptions, BuildResult } from "../src/image-builder.js";
import { directoryOf } from "./setup.js";

const found = await findTestEngine();
const registryFound = await findTestRegistry();
const socketPath = found.socketPath ?? "";
const auth = { username: "builder", password: uniqueName("password") };

/** A base image in a registry that asks for credentials, and a build on it. */
async function buildOnPrivateBase(
  backend: "auto" | "classic",
  password: string,
  options: Partial<BuildOptions> = {},
): Promise<BuildResult> {
  const run = uniqueName("private");
  await using registry = await startTestRegistry({ auth });
  const base = `${registry.host}/${run}:1`;
  await pushImage(socketPath, await busyboxImage(socketPath), base, auth);
  await callEngine(socketPath, { method: "DELETE", path: `/images/${base}` });
  const basic = Buffer.from(`${auth.username}:${password}`).toString("base64");
  await using engine = await connectEngine({
    settings: engineSettingsFromEnv(
      {
        DOCKER_HOST: `unix://${socketPath}`,
        DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth: basic } } }),
      },
      { homeDirectory: "/nonexistent", platform: "linux", uid: 0 },
    ),
  });
  await using directory = await directoryOf({ Dockerfile: `FROM ${base}\nRUN echo ${run}\n` });
  try {
    return await createImageBuilder({ engine, backend }).build({
      context: { kind: "directory", path: directory.path },
      tags: [`molecule-test/${run}:built`],
      labels: { "molecule.test.run": run },
      ...options,
    });
  } finally {
    await callEngine(socketPath, { method: "DELETE", path: `/images/${base}` });
    await cleanupEngine(socketPath, `molecule.test.run=${run}`);
  }
}

describe.skipIf(found.skip !== undefined || registryFound.skip !== undefined)(
  "a base image in a registry that asks for credentials",
  () => {
    it.each(["auto", "classic"] as const)("is had by the %s builder", async (backend) => {
      const result = await buildOnPrivateBase(backend, auth.password);
      expect(result.imageId).toMatch(/^sha256:/);
    });

    it("is had when the newest is asked for", async () => {
      const events: BuildEvent[] = [];
      await buildOnPrivateBase("auto", auth.password, {
        pull: true,
        onEvent: (event) => events.push(event),
      });
      expect(events).toContainEqual(
        expect.objectContaining({
          type: "build.vertex",
          status: "completed",
          name: expect.stringContaining("[internal] pull 127.0.0.1") as string,
        }),
      );
    });

    it("is named, with what the registry said, when the credentials are wrong", async () => {
      await expect(buildOnPrivateBase("auto", "wrong")).rejects.toMatchObject({
        code: "ERR_BUILD_BASE_IMAGE",
        failure: { line: 1 },
        cause: { code: "ERR_PULL_UNAUTHORIZED" },
      });
    });
  },
);
