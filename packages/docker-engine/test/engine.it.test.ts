import { buildScratchImage, busyboxImage, uniqueName } from "@molecule-ai/testkit";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { extract, pack } from "tar-stream";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DockerEngine, LogChunk } from "../src/index.js";
import { connect, label, labels, skip, socketPath } from "./setup.js";

describe.skipIf(skip)("an engine", () => {
  let engine: DockerEngine;
  let image: string;

  beforeAll(async () => {
    engine = await connect();
    image = await busyboxImage(socketPath);
  });
  afterAll(() => engine[Symbol.asyncDispose]());

  const create = async (
    config: Record<string, unknown> = {},
    name: string = uniqueName("mol-engine"),
  ): Promise<string> => {
    const made = await engine.containers.create(
      { Image: image, Labels: labels, StopSignal: "SIGKILL", ...config },
      { name },
    );
    return made.id;
  };
  const run = async (script: string, config: Record<string, unknown> = {}): Promise<string> => {
    const id = await create({ Cmd: ["sh", "-c", script], ...config });
    await engine.containers.start(id);
    return id;
  };

  it("tells what it is, once", async () => {
    const info = await engine.info();
    expect(info).toMatchObject({ os: "linux", podman: false, buildkit: true });
    expect(info.id).not.toBe("");
    expect(info.cpus).toBeGreaterThan(0);
    expect(info.runtimes).toContain("runc");
    expect(info.arch).toMatch(/^(amd64|arm64)$/);
    expect(await engine.info()).toBe(info);
    expect((await engine.diskUsage()).imagesBytes).toBeGreaterThan(0);
    expect(engine.endpoint).toEqual({ kind: "unix", address: socketPath, origin: "DOCKER_HOST" });
  });

  it("takes many calls at once without a warning of Node's", async () => {
    const warnings: string[] = [];
    const onWarning = ({ name }: Error): void => void warnings.push(name);
    process.on("warning", onWarning);
    try {
      await Promise.all(Array.from({ length: 30 }, () => engine.images.inspect(image)));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      process.off("warning", onWarning);
    }
    expect(warnings).toEqual([]);
  });

  it("walks a container from created to gone", async () => {
    const name = uniqueName("mol-life");
    const id = await create(
      {
        Cmd: ["sh", "-c", "trap 'exit 9' TERM; while :; do sleep 0.1; done"],
        StopSignal: "SIGTERM",
      },
      name,
    );
    expect((await engine.containers.inspect(name))?.state).toMatchObject({
      status: "created",
      running: false,
      startedAt: undefined,
    });
    await engine.containers.start(id);
    await engine.containers.start(id);
    await engine.containers.pause(id);
    expect((await engine.containers.inspect(id))?.state.status).toBe("paused");
    await engine.containers.unpause(id);
    const renamed = `${name}-b`;
    await engine.containers.rename(id, renamed);
    await engine.containers.update(id, { RestartPolicy: { Name: "on-failure" } });
    await engine.containers.update(id, { RestartPolicy: { Name: "no" } });
    const [listed] = await engine.containers.list({ name: renamed });
    expect(listed).toMatchObject({ id, name: renamed, status: "running", labels });
    expect(await engine.containers.list({ name: name.slice(0, -1), all: true })).toEqual([]);
    expect(await engine.containers.stop(id, { graceSeconds: 5 })).toBe(true);
    expect(await engine.containers.stop(id, { graceSeconds: 5 })).toBe(true);
    expect(await engine.containers.wait(id)).toBe(9);
    expect(await engine.containers.list({ name: renamed })).toEqual([]);
    expect(await engine.containers.remove(id)).toBe(true);
    expect(await engine.containers.remove(id)).toBe(false);
    expect(await engine.containers.inspect(id)).toBeUndefined();
    expect(await engine.containers.stop(id, { graceSeconds: 0 })).toBe(false);
    await expect(engine.containers.start(id)).rejects.toMatchObject({
      code: "ERR_ENGINE_NOT_FOUND",
      details: { status: 404 },
    });
  });

  it("shows a container's own facts", async () => {
    const volume = uniqueName("mol-vol");
    await engine.volumes.create({ name: volume, labels });
    const id = await run("sleep 60", {
      Env: ["A=b c"],
      ExposedPorts: { "8000/tcp": {} },
      HostConfig: {
        Binds: [`${volume}:/data`],
        PortBindings: { "8000/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
      },
    });
    const found = await engine.containers.inspect(id);
    expect(found?.env).toContain("A=b c");
    expect(found?.imageRef).toBe(image);
    expect(found?.ports["8000/tcp"]?.[0]).toMatchObject({ ip: "127.0.0.1" });
    expect(found?.ports["8000/tcp"]?.[0]?.port).toBeGreaterThan(0);
    expect(found?.mounts).toMatchObject([
      { type: "volume", name: volume, destination: "/data", writable: true },
    ]);
    expect(found?.networks["bridge"]?.ip).toMatch(/^\d/);
    expect(found?.state.running).toBe(true);
    expect((await engine.containers.list({ labels: [label] }))[0]?.ports[0]?.ip).toBe("127.0.0.1");
    await expect(engine.volumes.remove(volume)).rejects.toMatchObject({
      code: "ERR_ENGINE_CONFLICT",
    });
    await engine.containers.remove(id, { force: true });
    expect(await engine.volumes.remove(volume)).toBe(true);
    expect(await engine.volumes.remove(volume)).toBe(false);
  });

  it("says by status alone that an image is missing, and that something else is", async () => {
    const missing = "molecule-test/never-made:1";
    await expect(
      engine.containers.create({ Image: missing, Labels: labels }, { name: uniqueName("mol-x") }),
    ).rejects.toMatchObject({ code: "ERR_ENGINE_IMAGE_NOT_FOUND", details: { image: missing } });
    // A network that is missing is reported with "not found" too, and is no missing image.
    const id = await create({ HostConfig: { NetworkMode: "mol-no-such-network" } });
    await expect(engine.containers.start(id)).rejects.toMatchObject({
      code: "ERR_ENGINE_NOT_FOUND",
    });
    const name = uniqueName("mol-twice");
    await create({}, name);
    await expect(create({}, name)).rejects.toMatchObject({ code: "ERR_ENGINE_CONFLICT" });
    await expect(create({ HostConfig: { Memory: 1 } })).rejects.toMatchObject({
      code: "ERR_ENGINE_BAD_REQUEST",
    });
  });

  it("removes nothing that is running unless told", async () => {
    const id = await run("sleep 60");
    await expect(engine.containers.remove(id)).rejects.toMatchObject({
      code: "ERR_ENGINE_CONFLICT",
    });
    const results = await Promise.all(
      [1, 2, 3].map(() => engine.containers.remove(id, { force: true })),
    );
    expect(results).toContain(true);
    expect(await engine.containers.inspect(id)).toBeUndefined();
  });

  it("creates networks once, and removes them", async () => {
    const name = uniqueName("mol-net");
    const network = await engine.networks.create({ name, labels });
    await expect(engine.networks.create({ name, labels })).rejects.toMatchObject({
      code: "ERR_ENGINE_CONFLICT",
    });
    const id = await run("sleep 60", { HostConfig: { NetworkMode: name } });
    expect(await engine.networks.inspect(name)).toMatchObject({
      id: network.id,
      name,
      driver: "bridge",
      labels,
      containers: [id],
    });
    expect((await engine.networks.list({ labels: [label] })).map((entry) => entry.name)).toEqual([
      name,
    ]);
    await expect(engine.networks.remove(name)).rejects.toMatchObject({
      code: "ERR_ENGINE_CONFLICT",
    });
    await engine.containers.remove(id, { force: true });
    expect(await engine.networks.remove(name)).toBe(true);
    expect(await engine.networks.remove(name)).toBe(false);
    expect(await engine.networks.inspect(name)).toBeUndefined();
  });

  it("keeps an existing volume's labels when it is created again", async () => {
    const name = uniqueName("mol-vol");
    await engine.volumes.create({ name, labels });
    const again = await engine.volumes.create({ name, labels: { other: "1" } });
    expect(again.labels).toEqual(labels);
    expect(await engine.volumes.inspect(name)).toMatchObject({ name, driver: "local" });
    expect((await engine.volumes.list({ labels: [label] })).map((v) => v.name)).toContain(name);
    expect(await engine.volumes.inspect(`${name}-not`)).toBeUndefined();
    await engine.volumes.remove(name);
  });

  it("separates stdout from stderr, and follows until the end", async () => {
    const id = await run("echo out; echo err >&2; sleep 0.3; echo late; exit 3");
    const chunks: LogChunk[] = [];
    for await (const chunk of engine.containers.logs(id, { follow: true })) chunks.push(chunk);
    const of = (stream: LogChunk["stream"]): string =>
      Buffer.concat(chunks.filter((c) => c.stream === stream).map((c) => c.bytes)).toString();
    expect(of("stdout")).toBe("out\nlate\n");
    expect(of("stderr")).toBe("err\n");
    const tail: string[] = [];
    for await (const { bytes } of engine.containers.logs(id, { tail: 1, timestamps: true })) {
      tail.push(bytes.toString());
    }
    expect(tail.join("")).toMatch(/^\d{4}-\d\d-\d\dT\S+ late\n$/);
    const since = Date.now() + 60_000;
    for await (const chunk of engine.containers.logs(id, { since })) expect(chunk).toBeUndefined();
  });

  it("gives a terminal's output as it is", async () => {
    const id = await run("echo out; echo err >&2", { Tty: true });
    await engine.containers.wait(id);
    const got: LogChunk[] = [];
    for await (const chunk of engine.containers.logs(id)) got.push(chunk);
    expect(Buffer.concat(got.map((c) => c.bytes)).toString()).toBe("out\r\nerr\r\n");
    expect(new Set(got.map((c) => c.stream))).toEqual(new Set(["stdout"]));
  });

  it("stops following when aborted, with the caller's own reason", async () => {
    const id = await run("echo ready; sleep 60");
    const controller = new AbortController();
    const reason = new Error("enough");
    const reading = (async () => {
      for await (const { bytes } of engine.containers.logs(id, {
        follow: true,
        signal: controller.signal,
      })) {
        if (bytes.includes("ready")) controller.abort(reason);
      }
    })();
    await expect(reading).rejects.toBe(reason);
    await expect(engine.containers.wait(id, { signal: controller.signal })).rejects.toBe(reason);
  });

  describe("exec", () => {
    let id: string;
    beforeAll(async () => {
      id = await run("sleep 600");
    });

    it("gives output by stream and the exit code", async () => {
      const output: Record<string, string> = { stdout: "", stderr: "" };
      const { exitCode } = await engine.containers.exec(id, {
        argv: ["sh", "-c", 'echo "$GREETING from $(id -u) in $PWD"; echo no >&2; exit 42'],
        env: ["GREETING=hi"],
        user: "agent",
        workingDir: "/home/agent",
        onOutput: ({ stream, bytes }) => (output[stream] += bytes.toString()),
      });
      expect(exitCode).toBe(42);
      expect(output).toEqual({ stdout: "hi from 1000 in /home/agent\n", stderr: "no\n" });
    });

    it("feeds a megabyte of input and sees its end", async () => {
      const input = Buffer.alloc(1024 * 1024, "x");
      let output = "";
      const { exitCode } = await engine.containers.exec(id, {
        argv: ["wc", "-c"],
        stdin: Readable.from([input]),
        onOutput: ({ bytes }) => (output += bytes.toString()),
      });
      expect({ exitCode, output: output.trim() }).toEqual({
        exitCode: 0,
        output: String(input.length),
      });
    });

    it("has a terminal whose size can be changed", async () => {
      let output = "";
      const stdin = new Readable({ read: () => undefined });
      const { exitCode } = await engine.containers.exec(id, {
        argv: ["sh", "-c", "read line; stty size; test -t 0"],
        tty: true,
        stdin,
        onOutput: ({ bytes }) => (output += bytes.toString()),
        onResizable: (resize) => {
          void resize({ rows: 33, columns: 120 }).then(() => stdin.push("go\n"));
        },
      });
      expect(exitCode).toBe(0);
      expect(output).toContain("33 120");
    });

    it("reports a program that does not exist by its exit code", async () => {
      const { exitCode } = await engine.containers.exec(id, { argv: ["/no/such/program"] });
      expect([126, 127]).toContain(exitCode);
    });

    it("ends when aborted", async () => {
      const controller = new AbortController();
      const reason = new Error("stop");
      const running = engine.containers.exec(id, {
        argv: ["sh", "-c", "echo up; sleep 30"],
        signal: controller.signal,
        onOutput: () => {
          controller.abort(reason);
        },
      });
      await expect(running).rejects.toBe(reason);
    });

    it("passes on a failing input", async () => {
      const stdin = new Readable({ read: () => undefined });
      const running = engine.containers.exec(id, { argv: ["cat"], stdin });
      setTimeout(() => stdin.destroy(new Error("no more")), 50);
      await expect(running).rejects.toThrow("no more");
    });

    it("refuses a container that is not running, and one that is absent", async () => {
      const stopped = await create();
      await expect(engine.containers.exec(stopped, { argv: ["true"] })).rejects.toMatchObject({
        code: "ERR_ENGINE_CONFLICT",
      });
      await expect(engine.containers.exec("mol-nobody", { argv: ["true"] })).rejects.toMatchObject({
        code: "ERR_ENGINE_NOT_FOUND",
      });
    });
  });

  describe("files", () => {
    const tarOf = (name: string, content: string | Buffer): Readable => {
      const tar = pack();
      tar.entry({ name, mode: 0o600, uid: 1000, gid: 1000 }, content);
      tar.finalize();
      return tar as unknown as Readable;
    };

    it("writes, looks at and reads files of a container that never started", async () => {
      const volume = uniqueName("mol-vol");
      await engine.volumes.create({ name: volume, labels });
      const id = await create({ HostConfig: { Binds: [`${volume}:/configs`] } });
      await engine.containers.putArchive(id, "/configs", tarOf("a.txt", "hello"));
      const stat = await engine.containers.statPath(id, "/configs/a.txt");
      expect(stat).toMatchObject({ name: "a.txt", sizeBytes: 5, kind: "file", linkTarget: "" });
      expect((stat?.mode ?? 0) & 0o777).toBe(0o600);
      expect((await engine.containers.statPath(id, "/configs"))?.kind).toBe("directory");
      expect(await engine.containers.statPath(id, "/bin/sh")).toMatchObject({
        kind: "symlink",
        linkTarget: "/bin/busybox",
      });
      const archive = await engine.containers.getArchive(id, "/configs/a.txt");
      const untar = extract();
      archive?.pipe(untar);
      const read: unknown[] = [];
      for await (const entry of untar)
        read.push([entry.header.name, entry.header.uid, await text(entry)]);
      expect(read).toEqual([["a.txt", 1000, "hello"]]);
      await engine.containers.remove(id);
      await engine.volumes.remove(volume);
    });

    it("tells an absent path from an absent container", async () => {
      const id = await create();
      expect(await engine.containers.statPath(id, "/nope")).toBeUndefined();
      expect(await engine.containers.getArchive(id, "/nope")).toBeUndefined();
      const absent = { code: "ERR_ENGINE_NOT_FOUND" };
      await expect(
        engine.containers.putArchive(id, "/nope", tarOf("a", "b")),
      ).rejects.toMatchObject(absent);
      await expect(engine.containers.statPath("mol-nobody", "/")).rejects.toMatchObject(absent);
      await expect(engine.containers.getArchive("mol-nobody", "/")).rejects.toMatchObject(absent);
      await expect(
        engine.containers.putArchive("mol-nobody", "/", tarOf("a", "b")),
      ).rejects.toMatchObject(absent);
    });

    it("says that the container is absent also when the upload is too large to be read", async () => {
      await expect(
        engine.containers.putArchive(
          "mol-nobody",
          "/",
          tarOf("big", Buffer.alloc(8 * 1024 * 1024)),
        ),
      ).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
    });

    it("stops when the archive's source fails or ends early", async () => {
      const id = await create();
      const failing = new Readable({ read: () => undefined });
      const failed = engine.containers.putArchive(id, "/", failing);
      setTimeout(() => failing.destroy(new Error("disk gone")), 20);
      await expect(failed).rejects.toThrow("disk gone");
      const ending = new Readable({ read: () => undefined });
      const ended = engine.containers.putArchive(id, "/", ending);
      setTimeout(() => ending.destroy(), 20);
      await expect(ended).rejects.toMatchObject({ code: "ERR_STREAM_PREMATURE_CLOSE" });
    });
  });

  describe("images", () => {
    it("shows, tags, lists and removes", async () => {
      const ref = `molecule-test/${uniqueName("img")}:v1`;
      await buildScratchImage({
        socketPath,
        ref,
        labels,
        entrypoint: ["/bin/sh", "-c"],
        cmd: ["true"],
        user: "agent",
        workingDir: "/tmp",
        env: { A: "1" },
      });
      const found = await engine.images.inspect(ref);
      expect(found).toMatchObject({
        tags: [ref],
        os: "linux",
        entrypoint: ["/bin/sh", "-c"],
        cmd: ["true"],
        user: "agent",
        workingDir: "/tmp",
      });
      expect(found?.env).toContain("A=1");
      expect(found?.labels).toMatchObject(labels);
      expect(found?.createdAt).toBeGreaterThan(Date.now() - 600_000);
      const other = ref.replace(":v1", ":v2");
      await engine.images.tag(ref, other);
      const listed = await engine.images.list({ labels: [label], reference: other });
      expect(listed).toHaveLength(1);
      expect(listed[0]).toMatchObject({ id: found?.id, tags: [other] });
      expect(await engine.images.remove(other)).toBe(true);
      expect(await engine.images.remove(other)).toBe(false);
      const id = await create({ Image: ref });
      await expect(engine.images.remove(ref)).rejects.toMatchObject({
        code: "ERR_ENGINE_CONFLICT",
      });
      await engine.containers.remove(id);
      expect(await engine.images.remove(ref)).toBe(true);
      expect(await engine.images.inspect(ref)).toBeUndefined();
    });

    it("imports a root filesystem, and fails when it is none", async () => {
      const ref = `molecule-test/${uniqueName("import")}:1`;
      const tar = pack();
      tar.entry({ name: "hello" }, "world");
      tar.finalize();
      const id = await engine.images.import(tar as unknown as Readable, ref);
      expect((await engine.images.inspect(ref))?.id).toBe(id);
      await engine.images.remove(ref);
      await expect(
        engine.images.import(Readable.from([Buffer.alloc(2048, "no tar")]), ref),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_ENGINE_(STREAM|SERVER)$/) as string,
      });
    });

    it("never lets a name change the path of a call", async () => {
      for (const name of ["../containers/json", "a/../../b", "", ".", "a//b"]) {
        await expect(engine.images.inspect(name)).rejects.toMatchObject({
          code: "ERR_ENGINE_BAD_REQUEST",
        });
        await expect(engine.volumes.remove(name)).rejects.toMatchObject({
          code: "ERR_ENGINE_BAD_REQUEST",
        });
      }
      expect(await engine.containers.inspect("a?force=1&x=#y")).toBeUndefined();
    });
  });

  it("carries a raw request in both directions", async () => {
    const { status, headers, body } = await engine.request({
      method: "GET",
      path: "/images/json",
      query: { all: "1", none: undefined },
      subject: "List everything",
    });
    expect(status).toBe(200);
    expect(headers["content-type"]).toContain("json");
    expect(Array.isArray(JSON.parse(await text(body)))).toBe(true);
    const refused = engine.request({ method: "POST", path: "/no/such/call", subject: "Nonsense" });
    await expect(refused).rejects.toMatchObject({ code: "ERR_ENGINE_NOT_FOUND" });
  });
});
