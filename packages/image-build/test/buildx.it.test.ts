import type { BuildEvent } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  callEngine,
  cleanupEngine,
  findBuildx,
  findTestEngine,
  startBuildkitBridge,
  startFaultProxy,
  startGiteaServer,
  uniqueName,
  type BuildkitBridge,
  type FaultProxy,
} from "@molecule-ai/testkit";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createBuildx } from "../src/buildx/buildx.js";
import { createImageBuilder, type ImageBuilderOptions } from "../src/create-image-builder.js";
import type { BuildOptions, BuildResult } from "../src/image-builder.js";
import { backendOf, openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { directoryOf, engineAt, isRunning, logsOf, uniqueSleep } from "./setup.js";

const found = await findTestEngine();
const program = await findBuildx();
const socketPath = found.socketPath ?? "";
const run = uniqueName("buildx");
const label = `molecule.test.run=${run}`;
const labels = { "molecule.test.run": run };
const BASE = `FROM molecule-test/busybox:latest\nLABEL ${label}\n`;
let count = 0;
const newTag = (): string => `molecule-test/${run}:${(count += 1)}`;

describe.skipIf(found.skip !== undefined || program.skip !== undefined)(
  "a build with buildx",
  () => {
    let engine: DockerEngine;
    let tools: TestBuildx;
    let proxy: FaultProxy;
    let scratch: string;
    let events: BuildEvent[] = [];

    beforeAll(async () => {
      engine = await engineAt(socketPath);
      tools = await openTestBuildx(program.file ?? "", `unix://${socketPath}`);
      proxy = await startFaultProxy({ socketPath });
      scratch = await mkdtemp(join(tmpdir(), "molecule-build-"));
    });
    afterEach(() => {
      proxy.clear();
      events = [];
    });
    afterAll(async () => {
      await proxy[Symbol.asyncDispose]();
      await tools[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await cleanupEngine(socketPath, label);
      await rm(scratch, { recursive: true, force: true });
    });

    const builderOf = (
      options: Partial<ImageBuilderOptions> = {},
    ): ReturnType<typeof createImageBuilder> =>
      createImageBuilder({
        engine,
        buildx: tools.buildx,
        backend: backendOf("docker", "default"),
        ...options,
      });

    const build = async (
      files: Readonly<Record<string, string | Buffer>>,
      options: Partial<BuildOptions> = {},
      on: Partial<ImageBuilderOptions> = {},
    ): Promise<BuildResult> => {
      await using directory = await directoryOf(files);
      return await builderOf(on).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        labels,
        onEvent: (event) => events.push(event),
        ...options,
      });
    };

    const leftImages = async (): Promise<number> =>
      (await engine.images.list({ labels: [label] })).length;

    it("gives an image with its tags, labels, arguments and layers, and is cached the second time", async () => {
      const files = {
        Dockerfile: `${BASE}ARG WORD\nRUN echo "said $WORD"; echo "$WORD" > /word\nCOPY src /src\n`,
        "src/a.txt": "a",
        ".git/config": "never sent",
      };
      const tags = [newTag(), newTag()];
      const options = { tags, buildArgs: { WORD: run } };
      const first = await build(files, options);
      expect(first).toMatchObject({
        tags,
        backend: "buildx",
        builder: { name: "default", driver: "docker" },
        digest: undefined,
        steps: 2,
        cache: { mode: "off", result: "miss", builder: "default", imports: [], exports: [] },
      });
      expect(first.contextBytes).toBeGreaterThan(1000);
      expect(first.layers).toMatchObject([
        { instruction: "FROM", image: "docker.io/molecule-test/busybox:latest" },
        { instruction: "RUN", stageStep: "2/3", cached: false },
        { instruction: "COPY", detail: "src /src" },
      ]);
      expect(logsOf(events)).toContain(`said ${run}`);
      for (const tag of tags) {
        const image = await engine.images.inspect(tag);
        expect(image?.id).toBe(first.imageId);
        expect(image?.labels).toMatchObject(labels);
      }
      const second = await build(files, options);
      expect(second.imageId).toBe(first.imageId);
      expect(second).toMatchObject({ cachedSteps: 2, cache: { result: "hit" } });
    });

    it("gives the image that the engine's own BuildKit gives", async () => {
      const files = { Dockerfile: `${BASE}COPY . /all\nRUN true\n`, "a/b": "x" };
      const own = await build(files, {}, { backend: "engine" });
      expect((await build(files)).imageId).toBe(own.imageId);
    });

    it("builds the stage that was asked for from a ready tar", async () => {
      const tar = pack();
      tar.entry({ name: "./", type: "directory" });
      tar.entry(
        { name: "Dockerfile" },
        `${BASE.replace("\n", " AS one\n")}RUN echo in-one\n${BASE}RUN false\n`,
      );
      tar.finalize();
      const context = { kind: "tar", stream: Readable.from(tar) } as const;
      await build({}, { context, target: "one", noCache: true });
      expect(logsOf(events)).toContain("in-one");
    });

    it("gives secrets to the step that mounts them, and shows them nowhere", async () => {
      const [value, other] = ["k9-value-of-a-secret-Zq", "k9-secret-in-a-file-Zq"];
      const path = join(scratch, "secret");
      await writeFile(path, other);
      const logFile = join(scratch, "secrets.log");
      const tag = newTag();
      const Dockerfile = `${BASE}RUN --mount=type=secret,id=one --mount=type=secret,id=two cat /run/secrets/one; wc -c < /run/secrets/two; env; ps\n`;
      await build(
        { Dockerfile },
        {
          tags: [tag],
          logFile,
          noCache: true,
          secrets: [
            { id: "one", source: { kind: "value", value } },
            { id: "two", source: { kind: "file", path } },
          ],
        },
      );
      expect(logsOf(events)).toEqual(expect.arrayContaining([`***${other.length}`]));
      const history = await callEngine(socketPath, {
        method: "GET",
        path: `/images/${tag}/history`,
      });
      const inspect = await callEngine(socketPath, { method: "GET", path: `/images/${tag}/json` });
      for (const text of [
        JSON.stringify(events),
        await readFile(logFile, "utf8"),
        await tools.calls(),
        String(history.body),
        String(inspect.body),
      ]) {
        expect(text).not.toContain(value);
        expect(text).not.toContain(other);
      }
      expect((await stat(logFile)).mode & 0o777).toBe(0o600);
      await expect(
        build(
          { Dockerfile },
          { secrets: [{ id: "one", source: { kind: "file", path: "/nowhere" } }] },
        ),
      ).rejects.toMatchObject({ code: "ERR_BUILD_OPTIONS" });
    });

    it("lets a step use the agent it was given", async () => {
      const agentSocket = join(scratch, "agent.sock");
      const server = createServer((socket) => socket.end("agent-was-here\n")).listen(agentSocket);
      try {
        await build(
          {
            Dockerfile: `${BASE}RUN --mount=type=ssh test -S "$SSH_AUTH_SOCK" && echo has-agent\n`,
          },
          { ssh: [{ agentSocket }], noCache: true },
        );
        expect(logsOf(events)).toContain("has-agent");
      } finally {
        server.close();
      }
    });

    it("warns of a build argument that looks like a secret", async () => {
      await build({ Dockerfile: BASE }, { buildArgs: { NPM_TOKEN: "x", TOKENIZER: "y" } });
      expect(events).toContainEqual(
        expect.objectContaining({
          code: "WARN_BUILD_SECRET_ARGUMENT",
          message: "Build arguments that look like secrets: NPM_TOKEN.",
        }),
      );
    });

    it("says of a failed RUN which, where, with what exit code and last words", async () => {
      const before = await leftImages();
      const Dockerfile = `# note\n${BASE}RUN echo fine\nRUN echo one; \\\n  echo two >&2; exit 3\n`;
      await expect(build({ Dockerfile })).rejects.toMatchObject({
        code: "ERR_BUILD_FAILED",
        message: expect.stringContaining("(Dockerfile line 5) failed with exit code 3") as string,
        failure: {
          line: 5,
          exitCode: 3,
          // The two streams come on two ways.
          lastLines: expect.arrayContaining(["one", "two"]) as string[],
        },
      });
      expect(await leftImages()).toBe(before);
    });

    it.each([
      ["a Dockerfile that cannot be read", `${BASE}NONSENSE x\n`, "ERR_BUILD_SYNTAX", 3],
      [
        "a base image there is not",
        `FROM molecule-test/${run}-none:1\n`,
        "ERR_BUILD_BASE_IMAGE",
        1,
      ],
      ["a COPY without a source", `${BASE}COPY nothing /x\n`, "ERR_BUILD_FAILED", 3],
    ])("says on which line is %s", async (_, Dockerfile, code, line) => {
      await expect(build({ Dockerfile })).rejects.toMatchObject({ code, failure: { line } });
    });

    it("follows by its text a version that has no other progress", async () => {
      const buildx = await tools.posingAs("0.12.1");
      const built = await build(
        { Dockerfile: `${BASE}RUN echo by-text\n` },
        { noCache: true },
        { buildx },
      );
      expect(built).toMatchObject({
        steps: 1,
        cachedSteps: 0,
        layers: [{}, { detail: "echo by-text" }],
      });
      expect(logsOf(events)).toContain("by-text");
      await expect(
        build({ Dockerfile: `${BASE}RUN echo last-words; exit 4\n` }, {}, { buildx }),
      ).rejects.toMatchObject({
        code: "ERR_BUILD_FAILED",
        failure: { line: 3, exitCode: 4, lastLines: ["last-words"] },
      });
      expect(await tools.calls()).toContain("--progress=plain");
    });

    it("refuses what the builder cannot do before it sends anything, naming it", async () => {
      await expect(
        build({ Dockerfile: BASE }, { platforms: ["linux/amd64", "linux/arm64"] }),
      ).rejects.toMatchObject({
        code: "ERR_BUILD_BACKEND",
        message: expect.stringMatching(/driver docker\) cannot do several platforms\.$/) as string,
        hint: expect.stringContaining("docker-container") as string,
      });
      await expect(
        build({ Dockerfile: BASE }, { ssh: [{}] }, { backend: "engine" }),
      ).rejects.toMatchObject({
        code: "ERR_BUILD_BACKEND",
        message: expect.stringContaining("the engine's BuildKit cannot do ssh.") as string,
      });
      await expect(build({ Dockerfile: BASE }, {}, { buildx: undefined })).rejects.toMatchObject({
        code: "ERR_BUILD_BACKEND",
      });
      expect(events).toEqual([]);
    });

    it("says so when there is no such builder, and when there is no such program", async () => {
      await expect(
        build({ Dockerfile: BASE }, {}, { backend: backendOf("docker", `${run}-none`) }),
      ).rejects.toMatchObject({ code: "ERR_BUILDER" });
      const nothing = createBuildx({ command: { file: "/nowhere/buildx", args: [] }, env: {} });
      await expect(build({ Dockerfile: BASE }, {}, { buildx: nothing })).rejects.toMatchObject({
        code: "ERR_BUILDX_MISSING",
      });
    });

    it("stops when it is aborted: no process, no image, no name", async () => {
      const command = uniqueSleep();
      const abort = new AbortController();
      const reason = new Error("no more");
      const tag = newTag();
      const before = await leftImages();
      const building = build(
        { Dockerfile: `${BASE}RUN echo begun; ${command}\n` },
        {
          tags: [tag],
          signal: abort.signal,
          onEvent: (event) => {
            if (event.type === "build.log" && event.line === "begun") events.push(event);
          },
        },
      ).catch((error: unknown) => error);
      await expect.poll(() => events.length).toBe(1);
      await expect.poll(() => isRunning(command)).toBe(true);
      abort.abort(reason);
      expect(await building).toBe(reason);
      await expect.poll(() => isRunning(command)).toBe(false);
      const metadata = /--metadata-file\n(.+)\n/g;
      const paths = [...(await tools.calls()).matchAll(metadata)].map(([, path = ""]) => path);
      expect(paths.length).toBeGreaterThan(0);
      for (const path of paths) await expect(stat(dirname(path))).rejects.toThrow("ENOENT");
      expect(await engine.images.inspect(tag)).toBeUndefined();
      expect(await leftImages()).toBe(before);
    });

    it("tags nothing when it is aborted between the last step and the tags", async () => {
      const tag = newTag();
      const before = await leftImages();
      const abort = new AbortController();
      const reason = new Error("late");
      const late: DockerEngine = {
        ...engine,
        images: {
          ...engine.images,
          async inspect(ref, options) {
            const image = await engine.images.inspect(ref, options);
            abort.abort(reason);
            return image;
          },
        },
      };
      await expect(
        build(
          { Dockerfile: `${BASE}RUN echo ${tag}\n` },
          { tags: [tag], signal: abort.signal },
          { engine: late },
        ),
      ).rejects.toBe(reason);
      expect(await engine.images.inspect(tag)).toBeUndefined();
      expect(await leftImages()).toBe(before);
    });

    it("stops a build that is silent for too long", async () => {
      const command = uniqueSleep();
      await expect(
        build({ Dockerfile: `${BASE}RUN ${command}\n` }, { limits: { idleTimeoutMs: 1500 } }),
      ).rejects.toMatchObject({ code: "ERR_DEADLINE" });
      await expect.poll(() => isRunning(command)).toBe(false);
    });

    it("says that the engine was lost when the connection breaks in mid-build", async () => {
      const command = uniqueSleep();
      const before = await leftImages();
      const building = build(
        { Dockerfile: `${BASE}RUN ${command}\n` },
        {},
        { buildx: tools.at(proxy.dockerHost) },
      ).catch((error: unknown) => error);
      await expect.poll(() => isRunning(command)).toBe(true);
      proxy.breakConnections();
      expect(await building).toMatchObject({ code: "ERR_BUILD_ENGINE_LOST", retryable: true });
      await expect.poll(() => isRunning(command)).toBe(false);
      expect(await leftImages()).toBe(before);
    });

    it("says that the engine was lost when it is gone before the build", async () => {
      await expect(
        build({ Dockerfile: BASE }, {}, { buildx: tools.at("unix:///nowhere.sock") }),
      ).rejects.toMatchObject({ code: "ERR_BUILD_ENGINE_LOST" });
    });

    it("lets builds of one builder wait for their turn, and those that wait can be aborted", async () => {
      const command = uniqueSleep();
      const abort = new AbortController();
      const builder = builderOf({ concurrency: 1 });
      await using directory = await directoryOf({ Dockerfile: `${BASE}RUN ${command}\n` });
      const one = (signal: AbortSignal): Promise<unknown> =>
        builder
          .build({
            context: { kind: "directory", path: directory.path },
            tags: [newTag()],
            signal,
            onEvent: (event) => events.push(event),
          })
          .catch((error: unknown) => error);
      const first = one(abort.signal);
      await expect.poll(() => isRunning(command)).toBe(true);
      const second = new AbortController();
      const waiting = one(second.signal);
      await expect
        .poll(() => events.find((event) => event.type === "build.vertex" && event.id === "queue"))
        .toMatchObject({ status: "started" });
      second.abort("second");
      expect(await waiting).toBe("second");
      abort.abort("first");
      expect(await first).toBe("first");
    });

    describe("whose builder is a daemon of its own", () => {
      const name = `${run}-remote`;
      const remote = backendOf("remote", name);
      let bridge: BuildkitBridge;

      beforeAll(async () => {
        bridge = await startBuildkitBridge({ socketPath });
        const created = await tools.buildx.run({
          args: ["create", "--name", name, "--driver", "remote", bridge.address],
          signal: AbortSignal.timeout(30_000),
        });
        expect(created.kind).toBe("exited");
      });
      afterAll(async () => {
        await bridge[Symbol.asyncDispose]();
      });

      const FILES = `FROM scratch\nCOPY a /a\n`;

      it("writes the files of several platforms", async () => {
        const directory = join(scratch, "platforms");
        const result = await build(
          {
            Dockerfile: "FROM scratch\nARG TARGETARCH\nCOPY $TARGETARCH /a\n",
            amd64: "one",
            arm64: "other",
          },
          { platforms: ["linux/amd64", "linux/arm64"], output: { directory } },
          { backend: remote },
        );
        expect(result).toMatchObject({
          imageId: undefined,
          builder: { name, driver: "remote" },
          steps: 2,
        });
        expect(await readdir(directory)).toEqual(["linux_amd64", "linux_arm64"]);
        expect(await readFile(join(directory, "linux_arm64", "a"), "utf8")).toBe("other");
        expect(new Set(result.layers.map(({ platform }) => platform))).toEqual(
          new Set(["linux/amd64", "linux/arm64"]),
        );
      });

      it("builds without the cache export that the builder refuses, and says so", async () => {
        const cache = join(scratch, "cache");
        await mkdir(cache);
        const ref = { type: "local", ref: cache, direction: "export", mode: "max" } as const;
        const result = await build(
          { Dockerfile: FILES, a: "content" },
          {
            output: { directory: join(scratch, "refused") },
            cache: { imports: [], exports: [ref] },
          },
          { backend: remote },
        );
        expect(result.cache).toMatchObject({
          mode: "local",
          exports: [
            {
              ref: cache,
              outcome: "refused",
              reason: expect.stringContaining("unknown cache exporter") as string,
            },
          ],
        });
        expect(events.filter((event) => event.type === "warning")).toMatchObject([
          { code: "WARN_BUILD_CACHE_EXPORT" },
        ]);
        expect(await readFile(join(scratch, "refused", "a"), "utf8")).toBe("content");
      });

      it("says of the caches it looked for that they were not there", async () => {
        const ref = "127.0.0.1:1/no/cache:here";
        const result = await build(
          { Dockerfile: FILES, a: run },
          {
            output: { directory: join(scratch, "missed") },
            cache: { imports: [{ type: "registry", ref, direction: "import" }], exports: [] },
          },
          { backend: remote },
        );
        expect(result.cache).toMatchObject({ mode: "shared", imports: [{ ref, verdict: "miss" }] });
      });

      it("says that it was lost when its line breaks in mid-build", async () => {
        const command = uniqueSleep();
        const building = build(
          { Dockerfile: `${BASE}RUN ${command}\n` },
          { output: { directory: join(scratch, "lost") } },
          { backend: remote },
        ).catch((error: unknown) => error);
        await expect.poll(() => isRunning(command)).toBe(true);
        bridge.cut();
        expect(await building).toMatchObject({ code: "ERR_BUILD_ENGINE_LOST" });
        await expect.poll(() => isRunning(command)).toBe(false);
      });
    });

    it("builds a repository at exactly the commit that was asked for", async () => {
      await using gitea = await startGiteaServer();
      const repository = await gitea.createRepository({
        name: "template",
        files: { Dockerfile: `${BASE}RUN echo the-first\n` },
      });
      const commit = await repository.head();
      await repository.commit({ Dockerfile: `${BASE}RUN echo the-second\n` });
      const context = { kind: "git", url: `${repository.url}.git`, commit } as const;
      const result = await build({}, { noCache: true, context });
      expect(logsOf(events)).toContain("the-first");
      expect(result.contextBytes).toBe(0);
      // BuildKit cannot before 0.10; newer ones only say that there is none.
      await expect(
        build({}, { context: { ...context, subdirectory: "sub" } }),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_BUILD_(?:BACKEND|FAILED|SYNTAX)$/) as string,
      });
      await expect(build({}, { context }, { backend: "engine" })).rejects.toMatchObject({
        code: "ERR_BUILD_BACKEND",
      });
    });
  },
);
