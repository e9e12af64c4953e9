import { createRedactor, type BuildEvent } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import {
  cleanupEngine,
  findTestEngine,
  startFaultProxy,
  uniqueName,
  type FaultProxy,
} from "@molecule-ai/testkit";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import type { BuildOptions, BuildResult } from "../src/image-builder.js";
import { directoryOf, engineAt, isRunning, logsOf, uniqueSleep } from "./setup.js";

const found = await findTestEngine();
const socketPath = found.socketPath ?? "";
const run = uniqueName("build");
const label = `molecule.test.run=${run}`;
const labels = { "molecule.test.run": run };
const FROM = "FROM molecule-test/busybox:latest";
// The classic builder keeps what came before a failed step: it has to be labelled there already.
const BASE = `${FROM}\nLABEL ${label}\n`;
let count = 0;
const newTag = (): string => `molecule-test/${run}:${(count += 1)}`;

describe.skipIf(found.skip !== undefined).each(["auto", "classic"] as const)(
  "a build by the %s builder",
  (backend) => {
    let engine: DockerEngine;
    let proxy: FaultProxy;
    let proxied: DockerEngine;
    let events: BuildEvent[] = [];

    beforeAll(async () => {
      engine = await engineAt(socketPath);
      proxy = await startFaultProxy({ socketPath });
      proxied = await engineAt(proxy.socketPath);
    });
    afterEach(() => {
      proxy.clear();
      events = [];
    });
    afterAll(async () => {
      await proxied[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await engine[Symbol.asyncDispose]();
      await cleanupEngine(socketPath, label);
    });

    const build = async (
      files: Readonly<Record<string, string | Buffer>>,
      options: Partial<BuildOptions> = {},
      on: DockerEngine = engine,
    ): Promise<BuildResult> => {
      await using directory = await directoryOf(files);
      return await createImageBuilder({ engine: on, backend }).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        labels,
        onEvent: (event) => events.push(event),
        ...options,
      });
    };

    const leftImages = async (): Promise<number> =>
      (await engine.images.list({ labels: [label] })).length;

    it("gives an image with its tags, labels and arguments, and is cached the second time", async () => {
      const files = {
        Dockerfile: `${BASE}ARG WORD\nRUN echo "said $WORD"; echo "$WORD" > /word\nCOPY src /src\n`,
        "src/a.txt": "a",
      };
      const tags = [newTag(), newTag()];
      const options = { tags, buildArgs: { WORD: run } };
      const first = await build(files, options);
      expect(first).toMatchObject({ tags, backend: backend === "auto" ? "buildkit" : "classic" });
      expect(first.contextBytes).toBeGreaterThan(1000);
      expect(logsOf(events)).toContain(`said ${run}`);
      const sending = events.filter(
        (event) => event.type === "build.vertex" && event.id === "context",
      );
      expect(sending).toMatchObject([{ status: "started" }, { status: "completed" }]);
      for (const tag of tags) {
        const image = await engine.images.inspect(tag);
        expect(image?.id).toBe(first.imageId);
        expect(image?.labels).toMatchObject(labels);
      }
      events = [];
      const second = await build(files, options);
      expect(second.imageId).toBe(first.imageId);
      expect(second.cachedSteps).toBe(second.steps);
      expect(second.steps).toBe(first.steps);
      expect(logsOf(events)).toEqual([]);
      expect(events).toContainEqual(
        expect.objectContaining({ type: "build.vertex", status: "cached" }),
      );
      const third = await build(files, { ...options, noCache: true });
      expect(third.cachedSteps).toBe(0);
    });

    it("builds the stage that was asked for, and refuses one that does not exist", async () => {
      const Dockerfile = `${FROM} AS One\nRUN echo in-one\n${FROM} AS two\nRUN false\n`;
      await build({ Dockerfile }, { target: "one" });
      await expect(build({ Dockerfile }, { target: "three" }, proxied)).rejects.toMatchObject({
        code: "ERR_BUILD_OPTIONS",
        hint: expect.stringContaining("one, two") as string,
      });
    });

    it("gets exactly the planned context: no .git, links, and names of any length first", async () => {
      await using directory = await directoryOf({
        [`+${"x".repeat(199)}`]: "long",
        ".git/config": "secret",
        "sub/.git": "gitdir: elsewhere",
        ".dockerignore": "Dockerfile\nignored",
        ignored: "x",
        Dockerfile: `${BASE}COPY . /c\nRUN cd /c && find . | sort && readlink link && stat -c %a-%u-%Y sub\n`,
      });
      await symlink("/etc/nowhere", join(directory.path, "link"));
      await createImageBuilder({ engine, backend }).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        labels,
        noCache: true,
        sourceDateEpoch: 86_400,
        onEvent: (event) => events.push(event),
      });
      const lines = logsOf(events);
      expect(lines).toContain(`./+${"x".repeat(199)}`);
      expect(lines).toContain("/etc/nowhere");
      expect(lines).toContain("755-0-86400");
      expect(lines.filter((line) => /git|ignored$/.test(line))).toEqual([]);
    });

    it("finds the Dockerfile where a link inside the context leads", async () => {
      await using directory = await directoryOf({ "docker/real": `${BASE}RUN echo by-link\n` });
      await symlink("docker/real", join(directory.path, "Dockerfile"));
      await createImageBuilder({ engine, backend }).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        labels,
      });
    });

    it("takes a ready tar, within the limit of bytes", async () => {
      const tarOf = (): Readable => {
        const tar = pack();
        tar.entry({ name: "Dockerfile" }, `${BASE}RUN echo from-tar\n`);
        tar.entry({ name: "ballast" }, Buffer.alloc(500_000));
        tar.finalize();
        return Readable.from(tar as AsyncIterable<Buffer>, { objectMode: false });
      };
      const result = await build({}, { context: { kind: "tar", stream: tarOf() } });
      expect(result.contextBytes).toBeGreaterThan(500_000);
      await expect(
        build({}, { context: { kind: "tar", stream: tarOf() }, limits: { contextBytes: 100_000 } }),
      ).rejects.toMatchObject({ code: "ERR_BUILD_CONTEXT_TOO_LARGE" });
    });

    it("says of a failed RUN which, where, with what exit code and last words", async () => {
      const before = await leftImages();
      const Dockerfile = `${BASE}\n# why\nRUN exec 2>&1; for i in $(seq 30); do echo "line $i"; done; \\\n  nonsense-command\n`;
      await expect(build({ Dockerfile })).rejects.toMatchObject({
        name: "ImageBuildError",
        code: "ERR_BUILD_FAILED",
        failure: { line: 5, exitCode: 127, dockerfile: "Dockerfile" },
        hint: expect.stringContaining("does not exist") as string,
        details: {
          lastLines: [
            ...Array.from({ length: 19 }, (_, i) => `line ${i + 12}`),
            "/bin/sh: nonsense-command: not found",
          ],
        },
      });
      expect(await leftImages()).toBe(before);
    });

    it("says on which line the Dockerfile cannot be read", async () => {
      await expect(build({ Dockerfile: `${BASE}RUN true\nBOGUS x\n` })).rejects.toMatchObject({
        code: "ERR_BUILD_SYNTAX",
        failure: { line: 4, instruction: "BOGUS x" },
      });
      await expect(build({ Dockerfile: "# nothing\n" })).rejects.toMatchObject({
        code: "ERR_BUILD_SYNTAX",
      });
    });

    it("says which base image cannot be had", async () => {
      await expect(
        build({ Dockerfile: `${BASE}RUN true\nFROM 127.0.0.1:9/nope:1\nRUN true\n` }),
      ).rejects.toMatchObject({ code: "ERR_BUILD_BASE_IMAGE", failure: { line: 4 } });
    });

    it("says which COPY has no source", async () => {
      await expect(build({ Dockerfile: `${BASE}COPY nope /x\n` })).rejects.toMatchObject({
        code: "ERR_BUILD_FAILED",
        failure: { line: 3, instruction: "COPY nope /x" },
      });
    });

    it.each([
      ["absent", "ERR_BUILD_NO_DOCKERFILE", async (): Promise<void> => undefined],
      [
        "a directory",
        "ERR_BUILD_DOCKERFILE_NOT_A_FILE",
        async (path: string): Promise<void> => mkdir(path),
      ],
      [
        "a link out of the tree",
        "ERR_BUILD_DOCKERFILE_OUTSIDE",
        async (path: string): Promise<void> => symlink("/etc/passwd", path),
      ],
    ])("sends nothing when the Dockerfile is %s", async (_, code, make) => {
      await using directory = await directoryOf({ other: "x" });
      await make(join(directory.path, "Dockerfile"));
      await expect(
        createImageBuilder({ engine: proxied, backend }).build({
          context: { kind: "directory", path: directory.path },
          tags: [newTag()],
        }),
      ).rejects.toMatchObject({ code });
      expect(proxy.requests.filter(({ path }) => path.includes("/build"))).toEqual([]);
    });

    it("refuses tags and limits that cannot be before anything is read", async () => {
      await expect(build({}, { tags: [] })).rejects.toMatchObject({ code: "ERR_BUILD_OPTIONS" });
      await expect(build({}, { tags: ["BAD TAG"] })).rejects.toMatchObject({
        code: "ERR_IMAGE_REFERENCE_INVALID",
      });
      await expect(build({}, { limits: { cpus: 0 } })).rejects.toMatchObject({
        code: "ERR_BUILD_OPTIONS",
      });
    });

    it("masks secrets in step names, output and errors", async () => {
      const secret = "s3cr3t-Value-of-42";
      await using directory = await directoryOf({
        Dockerfile: `${BASE}ARG TOKEN\nRUN echo "token is $TOKEN" && exit 9\n`,
      });
      const building = createImageBuilder({
        engine,
        backend,
        redactor: createRedactor([secret]),
      }).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        buildArgs: { TOKEN: secret },
        onEvent: (event) => events.push(event),
      });
      const error: unknown = await building.catch((reason: unknown) => reason);
      expect(error).toMatchObject({
        code: "ERR_BUILD_FAILED",
        failure: { exitCode: 9, lastLines: ["token is ***"] },
      });
      expect(JSON.stringify([error, events])).not.toContain(secret);
    });

    it("stops in the engine when it is aborted: process gone, nothing tagged, nothing left", async () => {
      const command = uniqueSleep();
      const tag = newTag();
      const before = await leftImages();
      const abort = new AbortController();
      const reason = new Error("Ctrl-C");
      const building = build(
        { Dockerfile: `${BASE}RUN echo begun; ${command}\n` },
        {
          tags: [tag],
          signal: abort.signal,
          onEvent: (event) => {
            if (event.type === "build.log" && event.line === "begun") events.push(event);
          },
        },
      );
      const outcome = building.catch((error: unknown) => error);
      await expect.poll(() => events.length).toBe(1);
      await expect.poll(() => isRunning(command)).toBe(true);
      abort.abort(reason);
      expect(await outcome).toBe(reason);
      if (backend === "auto") expect(await isRunning(command)).toBe(false);
      // The classic builder does not say when it has stopped.
      await expect.poll(() => isRunning(command)).toBe(false);
      expect(await engine.images.inspect(tag)).toBeUndefined();
      expect(await leftImages()).toBe(before);
      await expect
        .poll(async () => (await engine.containers.list({ all: true, labels: [label] })).length)
        .toBe(0);
    });

    it("asks the engine for nothing when it was aborted before", async () => {
      const reason = new Error("no");
      const asked = proxy.requests.length;
      await expect(
        build({ Dockerfile: BASE }, { signal: AbortSignal.abort(reason) }, proxied),
      ).rejects.toBe(reason);
      expect(proxy.requests.length).toBe(asked);
    });

    it("tags nothing when it is aborted between the last step and the tags", async () => {
      const tag = newTag();
      const before = await leftImages();
      const abort = new AbortController();
      const reason = new Error("late");
      // Only the request for the tag is held up, so the build itself is over by then.
      const late: DockerEngine = {
        ...engine,
        request: async (request) => {
          const answer = await engine.request(request);
          answer.body.on("end", () => abort.abort(reason));
          return answer;
        },
      };
      await expect(
        build(
          { Dockerfile: `${BASE}RUN echo ${tag}\n` },
          { tags: [tag], signal: abort.signal },
          late,
        ),
      ).rejects.toBe(reason);
      expect(await engine.images.inspect(tag)).toBeUndefined();
      expect(await leftImages()).toBe(before);
    });

    it("stops a build that is silent for too long", async () => {
      const command = uniqueSleep();
      await expect(
        build({ Dockerfile: `${BASE}RUN ${command}\n` }, { limits: { idleTimeoutMs: 1500 } }),
      ).rejects.toMatchObject({ code: "ERR_DEADLINE", message: /made no progress/ });
      await expect.poll(() => isRunning(command)).toBe(false);
    });

    it("stops a build that takes too long, however talkative it is", async () => {
      await expect(
        build(
          { Dockerfile: `${BASE}RUN while :; do echo "${run}"; sleep 0.1; done\n` },
          { limits: { totalTimeoutMs: 1500 } },
        ),
      ).rejects.toMatchObject({ code: "ERR_DEADLINE", message: /took longer than/ });
    });

    it("says that the engine was lost when the connection breaks in mid-build", async () => {
      const command = uniqueSleep();
      const before = await leftImages();
      const tag = newTag();
      const building = build(
        { Dockerfile: `${BASE}RUN echo begun; ${command}\n` },
        {
          tags: [tag],
          onEvent: (event) => {
            if (event.type === "build.log" && event.line === "begun") proxy.breakConnections();
          },
        },
        proxied,
      );
      await expect(building).rejects.toMatchObject({
        code: "ERR_BUILD_ENGINE_LOST",
        retryable: true,
      });
      // A build nobody follows any more does not go on.
      await expect.poll(() => isRunning(command)).toBe(false);
      expect(await leftImages()).toBe(before);
    });

    it("says that the engine was lost when it is gone before the build", async () => {
      proxy.add({ path: /\/build/, fault: { kind: "drop-request" } });
      await expect(build({ Dockerfile: BASE }, {}, proxied)).rejects.toMatchObject({
        code: "ERR_BUILD_ENGINE_LOST",
      });
    });

    it("takes an answer that ends early, but properly, for no image", async () => {
      proxy.add({ path: /\/build/, fault: { kind: "truncate", bytes: 0 } });
      await expect(
        build({ Dockerfile: `${BASE}RUN echo cut-${backend}\n` }, {}, proxied),
      ).rejects.toMatchObject({ code: "ERR_BUILD_TRUNCATED" });
      proxy.clear();
      proxy.add({ path: /\/build/, fault: { kind: "truncate", bytes: 30 } });
      await expect(
        build({ Dockerfile: `${BASE}RUN echo cut-${backend}\n` }, {}, proxied),
      ).rejects.toMatchObject({ code: "ERR_BUILD_ENGINE_LOST" });
    });

    it("passes on what else the engine refuses", async () => {
      proxy.add({
        path: /\/build/,
        fault: { kind: "answer", status: 500, body: { message: "no" } },
      });
      await expect(build({ Dockerfile: BASE }, {}, proxied)).rejects.toMatchObject({
        code: "ERR_ENGINE_SERVER",
      });
    });

    it("applies limits of memory, or says that it does not", async () => {
      await build(
        {
          Dockerfile: `${BASE}RUN cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true\n`,
        },
        { limits: { memoryBytes: 67_108_864, cpus: 0.5 }, noCache: true },
      );
      const warned = events.some(
        (event) => event.type === "warning" && event.code === "WARN_BUILD_LIMITS_IGNORED",
      );
      expect(logsOf(events).includes("67108864")).toBe(!warned);
      expect(warned).toBe(backend === "auto");
    });
  },
);

describe.skipIf(found.skip !== undefined)("an engine without BuildKit", () => {
  it("builds with its classic builder, with a warning", async () => {
    await using engine = await engineAt(socketPath);
    const old: DockerEngine = {
      ...engine,
      info: async (options) => ({ ...(await engine.info(options)), buildkit: false }),
    };
    await using directory = await directoryOf({ Dockerfile: `${BASE}RUN echo old\n` });
    const events: BuildEvent[] = [];
    try {
      const result = await createImageBuilder({ engine: old }).build({
        context: { kind: "directory", path: directory.path },
        tags: [newTag()],
        labels,
        onEvent: (event) => events.push(event),
      });
      expect(result.backend).toBe("classic");
      expect(events).toContainEqual(
        expect.objectContaining({ type: "warning", code: "WARN_BUILD_CLASSIC" }),
      );
    } finally {
      await cleanupEngine(socketPath, label);
    }
  });
});
