import { LABELS, type ProvisionEvent } from "@molecule-ai/core";
import {
  connectEngine,
  engineSettingsFromEnv,
  type DockerEngine,
} from "@molecule-ai/docker-engine";
import { createImageBuilder, type BuildResult, type ImageBuilder } from "@molecule-ai/image-build";
import {
  busyboxImage,
  cleanupEngine,
  findSecondEngine,
  findTestEngine,
  findTestRegistry,
  pushImage,
  startSecondEngine,
  startTestRegistry,
  uniqueName,
  type SecondEngine,
  type TestRegistry,
} from "@molecule-ai/testkit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openRoom, type Room } from "./fixtures/room.js";

const found = await findTestEngine();
const second = await findSecondEngine();
const registryFound = await findTestRegistry();
const skip = found.skip ?? second.skip ?? registryFound.skip;

describe.skipIf(skip !== undefined)("two machines and a registry that asks for credentials", () => {
  const installId = uniqueName("it");
  const auth = { username: "builder", password: "s3cret-of-the-fleet" };
  let registry: TestRegistry;
  let other: SecondEngine;
  let first: DockerEngine;
  let last: DockerEngine;
  let base: string;

  const connect = (dockerHost: string): Promise<DockerEngine> => {
    const basic = Buffer.from(`${auth.username}:${auth.password}`).toString("base64");
    return connectEngine({
      settings: engineSettingsFromEnv(
        {
          DOCKER_HOST: dockerHost,
          DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { [registry.host]: { auth: basic } } }),
        },
        { homeDirectory: "/nonexistent", platform: process.platform },
      ),
    });
  };
  beforeAll(async () => {
    const socketPath = found.socketPath ?? "";
    registry = await startTestRegistry({ auth });
    other = await startSecondEngine();
    first = await connect(found.dockerHost ?? "");
    last = await connect(other.dockerHost);
    base = `${registry.host}/${uniqueName("base")}:1`;
    await pushImage(socketPath, await busyboxImage(socketPath), base, auth);
  });
  afterAll(async () => {
    await first.images.remove(base);
    await first[Symbol.asyncDispose]();
    await last[Symbol.asyncDispose]();
    await other[Symbol.asyncDispose]();
    await registry[Symbol.asyncDispose]();
    await cleanupEngine(found.socketPath ?? "", `${LABELS.builtBy}=${installId}`);
  });

  interface Machine {
    readonly built: BuildResult[];
    readonly events: ProvisionEvent[];
    ensure(): ReturnType<ReturnType<Room["source"]>["ensure"]>;
  }

  /** A machine with that engine and a cache directory of its own. */
  function machine(room: Room, engine: DockerEngine, directory: string): Machine {
    const built: BuildResult[] = [];
    const events: ProvisionEvent[] = [];
    const real = createImageBuilder({ engine });
    const builder: ImageBuilder = {
      settingsDigest: (options) => real.settingsDigest(options),
      async build(options) {
        const result = await real.build(options);
        built.push(result);
        return result;
      },
    };
    const source = room.source(
      { engine, builder, installId },
      {
        MOLECULE_LOCAL_BUILD_CACHE: `${room.cacheDirectory}/${directory}`,
        MOLECULE_LOCAL_BUILD_CACHE_REF: `${registry.host}/team/cache`,
        MOLECULE_LOCAL_BUILD_PUSH: `${registry.host}/team`,
      },
    );
    return {
      built,
      events,
      ensure: () => source.ensure(room.runtime, { onEvent: (event) => events.push(event) }),
    };
  }

  function open(): Promise<Room> {
    const dockerfile = [
      `FROM ${base}`,
      `RUN echo ${uniqueName("slow")} > /slow`,
      "COPY . /app/",
      "RUN cat /slow /app/config.yaml > /both",
    ].join("\n");
    const files = { Dockerfile: `${dockerfile}\n`, "config.yaml": "name: test\n" };
    return openRoom({ runtime: uniqueName("it"), files });
  }
  const warningsOf = ({ events }: Machine): ProvisionEvent[] =>
    events.filter(({ type }) => type === "warning");

  test("the first build on the second is a cache hit, and both push the same tags", async () => {
    await using room = await open();
    const one = machine(room, first, "one");
    const two = machine(room, last, "two");

    const cold = await one.ensure();
    expect(one.built).toMatchObject([
      { steps: 3, cachedSteps: 0, cache: { result: "miss", exports: [{ outcome: "exported" }] } },
    ]);
    const warm = await two.ensure();
    expect(two.built).toMatchObject([
      { steps: 3, cachedSteps: 3, cache: { external: "hit", exports: [{ outcome: "exported" }] } },
    ]);
    expect([...warningsOf(one), ...warningsOf(two)]).toEqual([]);
    expect(warm).toMatchObject({ outcome: "built", revision: cold.revision });

    const repository = `${registry.host}/team/workspace-template-${room.runtime}`;
    const short = warm.revision?.slice(0, 12) ?? "";
    for (const tag of [short, "latest"]) {
      const { digest } = await first.images.pull(`${repository}:${tag}`);
      expect(digest).toBe(warm.digest);
      await first.images.remove(`${repository}:${tag}`);
    }
    // Nothing but the image itself, with the names it always has, stays on either engine.
    for (const [engine, image] of [
      [first, cold],
      [last, warm],
    ] as const) {
      const { tags = [], digests } = (await engine.images.inspect(image.imageId)) ?? {};
      expect(digests).toEqual([]);
      expect(tags.toSorted()).toEqual([image.ref, image.ref.replace(/:.*/, ":latest")].toSorted());
    }
  });

  test("a later commit on the second reuses what did not change", async () => {
    await using room = await open();
    await machine(room, first, "one").ensure();
    await room.repository.commit({ "config.yaml": "name: changed\n" });
    const two = machine(room, last, "two");
    await two.ensure();
    expect(two.built).toMatchObject([{ steps: 3, cachedSteps: 1, cache: { external: "hit" } }]);
  });
});
