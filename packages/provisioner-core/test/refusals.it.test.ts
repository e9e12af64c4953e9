import {
  callEngine,
  callEngineJson,
  findTestEngine,
  startFaultProxy,
  type Fault,
} from "@molecule-ai/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  configVolumeName,
  containerName,
  createProvisioner,
  isRunning,
  type UpOptions,
  type WorkspaceSpec,
} from "../src/index.js";
import { connectLab, openLab, recordEvents, type Lab } from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("what is refused, fails or is cut off", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
  });
  afterAll(() => lab[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { id } of await lab.backend.list())
      await lab.backend.remove(id, { graceSeconds: 0 });
    expect(await lab.leftovers()).toEqual([]);
  });

  const create = (path: string, body: object): Promise<{ Id: string }> =>
    callEngineJson(lab.socketPath, { method: "POST", path, body });
  const destroy = (path: string): Promise<unknown> =>
    callEngine(lab.socketPath, { method: "DELETE", path });

  describe("a name that is taken", () => {
    it("by the workspace itself: nothing of it is touched", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const before = await lab.raw(containerName(spec.id));
      const again = { ...spec, configFiles: { "config.yaml": Buffer.from("name: other\n") } };
      await expect(lab.provisioner.up(again)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_EXISTS",
      });
      const plan = lab.provisioner.plan(again);
      const container = { ...plan.container, image: lab.image.ref };
      await expect(lab.backend.start({ ...plan, container })).rejects.toMatchObject({
        code: "ERR_WORKSPACE_EXISTS",
      });
      expect((await lab.raw(containerName(spec.id))).Id).toBe(before.Id);
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      const config = await lab.backend.files.read(spec.id, "/configs/config.yaml");
      expect(config?.toString()).toBe("name: test\n");
    });

    it("by two starts at once: one wins, the other destroys nothing", async () => {
      await using other = await connectLab(`unix://${lab.socketPath}`);
      const spec = lab.spec();
      const outcomes = await Promise.allSettled([
        lab.provisioner.up(spec),
        lab.provisionerOn(lab.backendOn(other)).up(spec),
        lab.provisionerOn(lab.backendOn(other)).up(spec),
      ]);
      const won = outcomes.filter(({ status }) => status === "fulfilled");
      expect(won).toHaveLength(1);
      for (const outcome of outcomes) {
        if (outcome.status === "fulfilled") continue;
        expect(outcome.reason).toMatchObject({
          code: expect.stringMatching(/^ERR_WORKSPACE_(?:EXISTS|BUSY)$/) as string,
        });
      }
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      const { volumes = [] } = (await lab.backend.inspect(spec.id)) ?? {};
      for (const { name } of volumes) expect(await lab.engine.volumes.inspect(name)).toBeDefined();
    });

    it.each([
      ["without labels", {}],
      ["of the Go provisioner", { "molecule.platform.managed": "true" }],
      ["of another installation", { "molecule.platform.install": "somebody-else" }],
    ])("by a container %s: refused, and that container is left alone", async (_, labels) => {
      const spec = lab.spec();
      const name = containerName(spec.id);
      const body = { Image: lab.image.ref, Labels: labels, Entrypoint: ["sleep", "60"] };
      const { Id } = await create(`/containers/create?name=${name}`, body);
      await callEngine(lab.socketPath, { method: "POST", path: `/containers/${Id}/start` });
      await expect(lab.provisioner.up(spec)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_NAME_TAKEN",
      });
      expect(await lab.backend.stop(spec.id)).toBe(false);
      expect(await lab.backend.remove(spec.id)).toEqual({ removed: [] });
      expect((await lab.raw(name)).State.Status).toBe("running");
      await destroy(`/containers/${Id}?force=1`);
    });

    it("by another workspace of ours whose id begins alike", async () => {
      const first = lab.spec({ id: `${lab.spec().id.slice(0, 12)}-first` });
      const second = lab.spec({ id: `${first.id.slice(0, 12)}-second` });
      await lab.provisioner.up(first);
      await expect(lab.provisioner.up(second)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_WORKSPACE_(?:NAME|VOLUME)_TAKEN$/) as string,
      });
      expect(await lab.backend.inspect(second.id)).toBeUndefined();
      expect(await isRunning(lab.backend, first.id)).toBe(true);
      expect(await lab.engine.volumes.inspect(`ws-${second.id}-workspace`)).toBeUndefined();
    });
  });

  describe("a volume that is taken", () => {
    it("is refused when it is another installation's", async () => {
      const spec = lab.spec();
      const name = configVolumeName(spec.id);
      const labels = { "molecule.platform.install": "somebody-else" };
      await lab.engine.volumes.create({ name, labels });
      await expect(lab.provisioner.up(spec)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_VOLUME_TAKEN",
      });
      expect(await lab.engine.volumes.inspect(name)).toBeDefined();
      await lab.engine.volumes.remove(name);
    });

    it("without labels is refused, or adopted and kept when that was asked for", async () => {
      const spec = lab.spec({ configFiles: {} });
      const name = configVolumeName(spec.id);
      await lab.engine.volumes.create({ name, labels: { "molecule.platform.managed": "true" } });
      await expect(lab.provisioner.up(spec)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_VOLUME_TAKEN",
      });
      const { events, onEvent } = recordEvents();
      const adopting = lab.backendOn(lab.engine, { adoptVolumes: true });
      await lab.provisionerOn(adopting).up(spec, { onEvent });
      expect(events).toContainEqual(
        expect.objectContaining({ code: "WARN_WORKSPACE_VOLUME_ADOPTED" }),
      );
      await lab.backend.remove(spec.id);
      expect(await lab.engine.volumes.inspect(name)).toBeDefined();
      await lab.engine.volumes.remove(name);
    });
  });

  describe("a process that does not come up", () => {
    it("is reported with its exit code and last lines, and nothing of it stays", async () => {
      const configFiles = { "config.yaml": Buffer.from("x: 1\n"), fail: Buffer.from("") };
      const { events, onEvent } = recordEvents();
      const secrets = { TEST_SECRET: "s3cr3t-value" };
      const spec = lab.spec({ configFiles, secrets });
      await expect(lab.provisioner.up(spec, { onEvent })).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_WORKSPACE_(?:EXITED|CRASH_LOOP)$/) as string,
        message: expect.stringContaining("exit code 7") as string,
        details: {
          exitCode: 7,
          logTail: expect.arrayContaining(["told to fail"]) as string[],
        },
      });
      expect(events.filter(({ type }) => type === "undone").length).toBeGreaterThanOrEqual(3);
      expect(await lab.backend.inspect(spec.id)).toBeUndefined();
    });

    it("is seen to crash again and again when it is only slow to do so", async () => {
      const image = await lab.buildImage({ entrypoint: ["/bin/sh", "-c", "sleep 1; exit 4"] });
      await expect(lab.provisionerOn(lab.backend, image).up(lab.spec())).rejects.toMatchObject({
        details: { exitCode: 4 },
      });
    });

    it("is reported at once when there is nothing to run", async () => {
      const image = await lab.buildImage({ entrypoint: ["/no/such/program"] });
      await expect(lab.provisionerOn(lab.backend, image).up(lab.spec())).rejects.toMatchObject({
        details: { exitCode: 127 },
      });
    });

    it("that never answers runs out of time, with its last lines", async () => {
      const configFiles = { "config.yaml": Buffer.from("x: 1\n"), mute: Buffer.from("") };
      await expect(
        lab.provisioner.up(lab.spec({ configFiles }), { readyTimeoutMs: 1200 }),
      ).rejects.toMatchObject({
        code: "ERR_WORKSPACE_NOT_READY",
        details: { logTail: expect.arrayContaining(["mute"]) as string[] },
      });
    });

    it("gets more time while it shows signs of life, and is left alone without waiting", async () => {
      const script =
        "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; exec httpd -f -p 8000 -h /tmp";
      const image = await lab.buildImage({ entrypoint: ["/bin/sh", "-c", script] });
      const provisioner = lab.provisionerOn(lab.backend, image);
      const patient = await provisioner.up(lab.spec(), { readyTimeoutMs: 2000 });
      expect(patient.ready).toBe(true);
      const unattended = await provisioner.up(lab.spec(), { wait: false });
      expect(unattended.ready).toBe(false);
      expect(unattended.timings.map(({ stage }) => stage)).not.toContain("ready");
    });

    it("that answers 503 is not ready", async () => {
      const answer = "HTTP/1.0 503 Busy\\r\\n\\r\\n";
      const image = await lab.buildImage({
        entrypoint: ["/bin/sh", "-c", `while true; do printf '${answer}' | nc -l -p 8000; done`],
      });
      const provisioner = createProvisioner({
        backend: lab.backend,
        settings: { ...lab.settings, readyTotalTimeoutMs: 1500 },
        imageSource: { ensure: () => Promise.resolve(image) },
      });
      await expect(provisioner.up(lab.spec(), { readyTimeoutMs: 1500 })).rejects.toMatchObject({
        code: "ERR_WORKSPACE_NOT_READY",
      });
    });
  });

  it("an image that is not there is named with its runtime", async () => {
    const absent = { ...lab.image, ref: "molecule-test/absent:9" };
    await expect(lab.provisionerOn(lab.backend, absent).up(lab.spec())).rejects.toMatchObject({
      code: "ERR_WORKSPACE_IMAGE_NOT_FOUND",
      message: expect.stringContaining('"molecule-test/absent:9" of runtime test-agent') as string,
      hint: expect.stringContaining("visibility for test-agent") as string,
    });
  });

  describe("an abort", () => {
    it.each(["resolve", "create", "seed", "start", "ready"])(
      "when stage %s begins leaves nothing, and gives the caller's reason",
      async (stage) => {
        const controller = new AbortController();
        const reason = new Error("the user pressed Ctrl-C");
        const run: UpOptions = {
          signal: controller.signal,
          onEvent: (event) => {
            if (event.type === "stage.started" && event.stage === stage) controller.abort(reason);
          },
        };
        const spec = lab.spec({ secrets: { TEST_SECRET: "x" } });
        await expect(lab.provisioner.up(spec, run)).rejects.toBe(reason);
        expect(await lab.leftovers()).toEqual([]);
      },
    );

    it.each([0, 3, 10, 20, 40, 80, 160, 320])("after %d ms leaves nothing", async (ms) => {
      const controller = new AbortController();
      const reason = new Error("enough");
      const timer = setTimeout(() => controller.abort(reason), ms);
      const spec = lab.spec({
        configFiles: { "config.yaml": Buffer.from("x: 1\n"), mute: Buffer.from("") },
      });
      await expect(lab.provisioner.up(spec, { signal: controller.signal })).rejects.toBe(reason);
      clearTimeout(timer);
      expect(await lab.leftovers()).toEqual([]);
    });
  });

  describe("an engine that breaks off", () => {
    const faults: readonly [string, string, RegExp, Fault][] = [
      ["create, done but unanswered", "POST", /\/containers\/create/, { kind: "drop-answer" }],
      ["create, cut inside the answer", "POST", /\/containers\/create/, { kind: "eof", bytes: 5 }],
      ["create, never seen", "POST", /\/containers\/create/, { kind: "drop-request" }],
      [
        "create, 500",
        "POST",
        /\/containers\/create/,
        { kind: "answer", status: 500, body: { message: "disk full" } },
      ],
      ["volume, done but unanswered", "POST", /\/volumes\/create/, { kind: "drop-answer" }],
      [
        "files, 500",
        "PUT",
        /\/archive/,
        { kind: "answer", status: 500, body: { message: "no space left on device" } },
      ],
      ["files, done but unanswered", "PUT", /\/archive/, { kind: "drop-answer" }],
      ["start, done but unanswered", "POST", /\/start/, { kind: "drop-answer" }],
      ["start, 500", "POST", /\/start/, { kind: "answer", status: 500, body: { message: "x" } }],
      [
        "the look after the start",
        "GET",
        /\/containers\/[0-9a-f]{64}\/json/,
        { kind: "drop-answer" },
      ],
    ];

    it.each(faults)("at %s: an error, and nothing stays", async (_, method, path, fault) => {
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      proxy.add({ method, path, times: method === "GET" ? 3 : 1, fault });
      const spec = lab.spec({ secrets: { TEST_SECRET: "x" } });
      await expect(lab.provisionerOn(lab.backendOn(engine)).up(spec)).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_(?:WORKSPACE|ENGINE)_/) as string,
      });
      expect(await lab.leftovers()).toEqual([]);
    });

    it("is waited for while a failed start is taken back", async () => {
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      proxy.add({ method: "PUT", path: /\/archive/, times: 1, fault: { kind: "drop-request" } });
      proxy.add({
        method: "GET",
        path: /\/containers\/json/,
        skip: 1,
        times: 3,
        fault: { kind: "drop-request" },
      });
      proxy.add({ method: "DELETE", path: /./, times: 2, fault: { kind: "answer", status: 500 } });
      const { events, onEvent } = recordEvents();
      const spec = lab.spec();
      await expect(
        lab.provisionerOn(lab.backendOn(engine)).up(spec, { onEvent }),
      ).rejects.toMatchObject({ code: "ERR_WORKSPACE_SEED_FAILED" });
      expect(events.filter(({ type }) => type === "undone")).toHaveLength(3);
      expect(await lab.leftovers()).toEqual([]);
    });

    it("for good: says that something could not be taken back, and the next start recovers", async () => {
      const spec = lab.spec();
      {
        await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
        await using engine = await connectLab(proxy.dockerHost);
        proxy.add({ path: /\/archive/, fault: { kind: "drop-request" } });
        proxy.add({
          method: "GET",
          path: /\/containers\/json/,
          skip: 1,
          fault: { kind: "drop-request" },
        });
        proxy.add({ method: "DELETE", path: /./, fault: { kind: "drop-request" } });
        const { events, onEvent } = recordEvents();
        const backend = lab.backendOn(engine, { undoTimeoutMs: 300 });
        await expect(lab.provisionerOn(backend).up(spec, { onEvent })).rejects.toThrow();
        expect(events).toContainEqual(
          expect.objectContaining({ code: "WARN_WORKSPACE_UNDO_INCOMPLETE" }),
        );
      }
      expect((await lab.backend.inspect(spec.id))?.status).toBe("created");
      const result = await lab.provisioner.up(spec);
      expect(result.ready).toBe(true);
    });
  });

  it("a start under way elsewhere is busy, not broken", async () => {
    const spec = lab.spec();
    const plan = lab.provisioner.plan(spec);
    const labels = {
      ...plan.container.labels,
      "molecule.platform.attempt": "another-host/1/abc",
      "molecule.platform.created-at": String(Date.now()),
    };
    const name = containerName(spec.id);
    await create(`/containers/create?name=${name}`, { Image: lab.image.ref, Labels: labels });
    await expect(lab.provisioner.up(spec)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_BUSY",
      retryable: true,
    });
    expect(await lab.engine.containers.inspect(name)).toBeDefined();
  });

  it("a session reset forgets the sessions, but not under a running workspace", async () => {
    const provisioner = lab.provisionerOn(lab.backend);
    const spec: WorkspaceSpec = lab.spec({ runtime: "claude-code" });
    await provisioner.up(spec);
    const path = "/root/.claude/sessions/one";
    await lab.backend.files.write(spec.id, path, Buffer.from("x"));
    await expect(
      lab.backend.start(lab.provisioner.plan(spec), {
        replace: true,
        seed: { resetSessions: true },
      }),
    ).rejects.toMatchObject({ code: "ERR_WORKSPACE_RESET_REFUSED" });
    await lab.backend.remove(spec.id, { keepVolumes: true });
    await provisioner.up(spec);
    expect(await lab.backend.files.stat(spec.id, path)).toBeDefined();
    await lab.backend.remove(spec.id, { keepVolumes: true });
    await provisioner.up({ ...spec, env: { WORKSPACE_RESET_SESSION: "True" } });
    expect(await lab.backend.files.stat(spec.id, path)).toBeUndefined();
  });

  it("a start asks the engine only for what it needs, and at once where it can", async () => {
    await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
    await using engine = await connectLab(proxy.dockerHost);
    const backend = lab.backendOn(engine);
    const plan = lab.provisioner.plan(lab.spec());
    const seed = { configFiles: { "config.yaml": Buffer.from("x: 1\n") } };
    await engine.info();
    const before = proxy.requests.length;
    const container = { ...plan.container, image: lab.image.ref };
    await backend.start({ ...plan, container }, { seed });
    const calls = proxy.requests.slice(before).map(({ method, path }) => {
      const route = path.replace(/^\/v[\d.]+/, "").replace(/\?.*/, "");
      return `${method} ${route.replace(/[0-9a-f]{64}|molecule-test\/[^/]+|\/t-[0-9a-f]+$/, "*")}`;
    });
    expect(calls.slice(0, 4).sort()).toEqual([
      "GET /images/*/json",
      "GET /networks*",
      "POST /volumes/create",
      "POST /volumes/create",
    ]);
    expect(calls.slice(4)).toEqual([
      "POST /containers/create",
      "PUT /containers/*/archive",
      "POST /containers/*/start",
      "GET /containers/*/json",
    ]);
  });
});
