import { isProvisionerError } from "@molecule-ai/core";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import { callEngineJson, findTestEngine, recordSkip, startFaultProxy } from "@molecule-ai/testkit";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import {
  configVolumeName,
  containerName,
  isRunning,
  type WorkspaceBackend,
  type WorkspaceNotice,
} from "../src/index.js";
import { nextContainerName, previousContainerName } from "../src/names.js";
import {
  connectLab,
  execText,
  openLab,
  readLog,
  recordEvents,
  type Lab,
  type RawContainer,
} from "./lab.js";

const found = await findTestEngine();

describe.skipIf(found.skip !== undefined)("the life of a workspace", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await openLab(found.socketPath ?? "");
  });
  afterAll(() => lab[Symbol.asyncDispose]());
  afterEach(async () => {
    for (const { id } of await lab.backend.list()) await removeAll(id);
  });

  const removeAll = async (id: string): Promise<void> => {
    await lab.backend.remove(id, { graceSeconds: 0 });
  };

  describe("stop, pause, remove", () => {
    it("an unknown id is absent, not an error", async () => {
      expect(await isRunning(lab.backend, "no-such-id")).toBe(false);
      expect(await lab.backend.stop("no-such-id")).toBe(false);
      expect(await lab.backend.inspect("no-such-id")).toBeUndefined();
      expect(await lab.backend.remove("no-such-id")).toEqual({ removed: [] });
      await expect(lab.backend.exec("no-such-id", { argv: ["true"] })).rejects.toMatchObject({
        code: "ERR_WORKSPACE_NOT_FOUND",
      });
    });

    it("stops gracefully, stays stopped, and comes back on resume", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      expect(await lab.backend.stop(spec.id)).toBe(true);
      expect(await isRunning(lab.backend, spec.id)).toBe(false);
      expect(await lab.backend.inspect(spec.id)).toMatchObject({ status: "exited", exitCode: 0 });
      expect(await lab.backend.stop(spec.id)).toBe(true);
      await expect(lab.backend.exec(spec.id, { argv: ["true"] })).rejects.toMatchObject({
        code: "ERR_WORKSPACE_NOT_RUNNING",
      });
      await lab.backend.resume(spec.id);
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      await removeAll(spec.id);
    });

    it("stops a paused workspace", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      await lab.backend.pause(spec.id);
      expect((await lab.backend.inspect(spec.id))?.status).toBe("paused");
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      expect(await lab.backend.stop(spec.id)).toBe(true);
      expect(await readLog(lab.backend, spec.id)).toContain("got TERM");
      await removeAll(spec.id);
    });

    it("removes everything, or all but the volumes when they are kept", async () => {
      const spec = lab.spec({ secrets: { TEST_SECRET: "x" } });
      await lab.provisioner.up(spec);
      const kept = await lab.backend.remove(spec.id, { keepVolumes: true });
      expect(kept.removed).toEqual([containerName(spec.id)]);
      const volumes = await lab.backend.remove(spec.id);
      expect([...volumes.removed].sort()).toEqual(
        [
          configVolumeName(spec.id),
          `${containerName(spec.id)}-secrets`,
          `ws-${spec.id}-workspace`,
        ].sort(),
      );
      expect((await lab.leftovers()).filter((name) => name.includes(spec.id.slice(0, 12)))).toEqual(
        [],
      );
    });

    it("never removes volumes after a failed stop", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      proxy.add({
        method: "POST",
        path: /\/stop/,
        fault: { kind: "answer", status: 500, body: { message: "No such container" } },
      });
      const backend = lab.backendOn(engine);
      await expect(backend.remove(spec.id)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_STOP_FAILED",
      });
      await expect(backend.stop(spec.id)).rejects.toMatchObject({
        code: "ERR_WORKSPACE_STOP_FAILED",
      });
      expect(proxy.requests.filter(({ method }) => method === "DELETE")).toEqual([]);
      expect(await lab.engine.volumes.inspect(configVolumeName(spec.id))).toBeDefined();
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      await removeAll(spec.id);
    });

    it("takes doubt for an error and never for absence, whatever the engine's text says", async () => {
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      const backend = lab.backendOn(engine);
      const faults = [
        { kind: "answer", status: 500, body: { message: "No such container: ws-x" } },
        { kind: "answer", status: 400, body: { message: "network not found" } },
        { kind: "drop-answer" },
      ] as const;
      for (const fault of faults) {
        const stopFault = proxy.add({ path: /\/containers\//, fault });
        await expect(isRunning(backend, "some-id")).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_ENGINE_/) as string,
        });
        await expect(backend.stop("some-id")).rejects.toMatchObject({
          code: expect.stringMatching(/^ERR_ENGINE_/) as string,
        });
        await expect(backend.remove("some-id")).rejects.toThrow();
        stopFault();
      }
      proxy.add({
        path: /\/containers\/ws-/,
        fault: { kind: "answer", status: 404, body: { message: "busy" } },
      });
      expect(await isRunning(backend, "some-id")).toBe(false);
    });
  });

  describe("restart", () => {
    it("swaps in a new container with the same config, environment, secrets and volumes", async () => {
      const spec = lab.spec({
        name: "Keeper",
        env: { CUSTOM: "1" },
        secrets: { TEST_SECRET: "multi\nline" },
        authToken: "tok",
        platformUrl: "http://platform.example:1",
      });
      await lab.provisioner.up(spec);
      const before = await lab.raw(containerName(spec.id));
      await lab.backend.files.write(spec.id, "/workspace/note", Buffer.from("kept"));

      const { events, onEvent } = recordEvents();
      const result = await lab.provisioner.restart(spec.id, { onEvent });
      expect(result).toMatchObject({ id: spec.id, name: "Keeper", tier: 2, ready: true });
      expect(await (await fetch(result.url)).text()).toBe("hello\n");
      const after = await lab.raw(containerName(spec.id));
      expect(after.Id).not.toBe(before.Id);
      expect(after.Config.Env).toEqual(before.Config.Env);
      expect(after.Config.Entrypoint).toEqual(before.Config.Entrypoint);
      expect(after.Config.Cmd).toEqual(before.Config.Cmd);
      expect({ ...after.HostConfig, PortBindings: null }).toEqual({
        ...before.HostConfig,
        PortBindings: null,
      });
      const ignoring = { "molecule.platform.attempt": "", "molecule.platform.created-at": "" };
      expect({ ...after.Config.Labels, ...ignoring }).toEqual({
        ...before.Config.Labels,
        ...ignoring,
      });
      expect(await execText(lab.backend, spec.id, "cat", "/workspace/note")).toBe("kept");
      expect(await execText(lab.backend, spec.id, "cat", "/configs/.auth_token")).toBe("tok");
      expect(JSON.stringify(after)).not.toContain("multi");
      expect(await lab.engine.containers.inspect(previousContainerName(spec.id))).toBeUndefined();
      expect(await lab.engine.containers.inspect(nextContainerName(spec.id))).toBeUndefined();
      expect(events.some(({ type }) => type === "stage.failed")).toBe(false);
      await removeAll(spec.id);
    });

    it("brings the old one back when the new one fails, and says what was undone", async () => {
      const spec = lab.spec({ secrets: { TEST_SECRET: "x" } });
      await lab.provisioner.up(spec);
      const before = await lab.raw(containerName(spec.id));
      const broken = await lab.buildImage({ entrypoint: ["/bin/sh", "-c", "echo bad; exit 9"] });
      const { events, onEvent } = recordEvents();
      await expect(
        lab.provisionerOn(lab.backend, broken).restart(spec.id, { upgrade: true, onEvent }),
      ).rejects.toMatchObject({
        code: expect.stringMatching(/^ERR_WORKSPACE_(?:EXITED|CRASH_LOOP)$/) as string,
        details: {
          exitCode: 9,
          logTail: expect.arrayContaining(["bad"]) as string[],
        },
      });
      const after = await lab.raw(containerName(spec.id));
      expect(after.Id).toBe(before.Id);
      expect(after.State.Status).toBe("running");
      expect(await lab.engine.containers.inspect(nextContainerName(spec.id))).toBeUndefined();
      expect(await lab.engine.containers.inspect(previousContainerName(spec.id))).toBeUndefined();
      const undone = events.filter(({ type }) => type === "undone");
      expect(undone).toContainEqual({
        type: "undone",
        what: `workspace ${spec.id} runs again as before`,
      });
      expect(await lab.engine.volumes.inspect(configVolumeName(spec.id))).toBeDefined();
      await removeAll(spec.id);
    });

    it("never stops the old one for an image that cannot be had", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const before = await lab.raw(containerName(spec.id));
      const absent = { ...lab.image, ref: "molecule-test/absent:1" };
      await expect(
        lab.provisionerOn(lab.backend, absent).restart(spec.id, { upgrade: true }),
      ).rejects.toMatchObject({ code: "ERR_WORKSPACE_IMAGE_NOT_FOUND" });
      const after = await lab.raw(containerName(spec.id));
      expect([after.Id, after.State]).toEqual([before.Id, before.State]);
      await removeAll(spec.id);
    });

    it("has the old one running after an abort in the middle of its stop", async () => {
      const stubborn = await lab.buildImage({
        entrypoint: [
          "/bin/sh",
          "-c",
          "trap '' TERM; httpd -p 8000 -h /tmp; while :; do sleep 1; done",
        ],
      });
      const backend = lab.backendOn(lab.engine, { stopGraceSeconds: 7 });
      const provisioner = lab.provisionerOn(backend, stubborn);
      const spec = lab.spec();
      await provisioner.up(spec);
      const controller = new AbortController();
      const reason = new Error("enough");
      await expect(
        provisioner.restart(spec.id, {
          signal: controller.signal,
          onEvent: (event) => {
            if (event.type !== "stage.started" || event.stage !== "start") return;
            setTimeout(() => controller.abort(reason), 300);
          },
        }),
      ).rejects.toBe(reason);
      // By now a stop that was left alone would have come to its end.
      await new Promise((resolve) => setTimeout(resolve, 3000));
      expect(await lab.backend.inspect(spec.id)).toMatchObject({ status: "running" });
    });

    it("puts replaced config files back when the new one fails", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const plan = lab.provisioner.plan(spec);
      const container = { ...plan.container, image: lab.image.ref };
      await expect(
        lab.backend.start(
          { ...plan, container },
          {
            replace: true,
            seed: { configFiles: { "config.yaml": Buffer.from("name: changed\n") } },
            verify: async ({ id }) => {
              const text = await lab.backend.files.read(id, "/configs/config.yaml");
              expect(text?.toString()).toBe("name: changed\n");
              throw new Error("not good enough");
            },
          },
        ),
      ).rejects.toThrow("not good enough");
      const text = await lab.backend.files.read(spec.id, "/configs/config.yaml");
      expect(text?.toString()).toBe("name: test\n");
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      await removeAll(spec.id);
    });

    it("restarts the same image although its tag moved on", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const other = await lab.buildImage({ entrypoint: ["/bin/sh", "-c", "exit 9"] });
      await lab.engine.images.tag(lab.image.ref, `${lab.image.ref}-saved`);
      await lab.engine.images.tag(other.imageId, lab.image.ref);
      const result = await lab.provisioner.restart(spec.id);
      expect(result.image.imageId).toBe(lab.image.imageId);
      await lab.engine.images.tag(`${lab.image.ref}-saved`, lab.image.ref);
      await removeAll(spec.id);
    });

    /** Leaves behind what a process leaves that dies at one point of a swap. */
    const interrupt = async (id: string, at: RegExp, method = "POST"): Promise<void> => {
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      const backend = lab.backendOn(engine, { undoTimeoutMs: 200 });
      // From that call on this process is as good as dead: nothing of it reaches the engine.
      proxy.add({ method, path: at, fault: { kind: "drop-request" } });
      const attempt = lab.provisionerOn(backend).restart(id, {
        onEvent: (event) => {
          if (event.type === "stage.failed")
            proxy.add({ path: /./, fault: { kind: "drop-request" } });
        },
      });
      await expect(attempt).rejects.toThrow();
    };

    it.each([
      ["before the replacement has its files", /\/archive/, "PUT"],
      ["before the old one is stopped", /\/stop/, "POST"],
      ["before the old one is moved aside", /\/rename/, "POST"],
      ["before the replacement gets the name", /\/rename\?name=ws-[0-9a-f-]{12}$/, "POST"],
      ["before the replacement is started", /\/start/, "POST"],
    ])("recovers a swap that was interrupted %s", async (_, at, method) => {
      const spec = lab.spec({ secrets: { TEST_SECRET: "x" } });
      await lab.provisioner.up(spec);
      await interrupt(spec.id, at, method);
      const result = await lab.provisioner.restart(spec.id);
      expect(result.ready).toBe(true);
      const names = (await lab.leftovers()).filter((name) =>
        name.startsWith(`/${containerName(spec.id)}`),
      );
      expect(names).toEqual([`/${containerName(spec.id)}`]);
      await removeAll(spec.id);
    });
  });

  it("tells what happens to workspaces, and nothing of the halves of a swap", async () => {
    const controller = new AbortController();
    const notices: WorkspaceNotice[] = [];
    const watching = (async () => {
      for await (const notice of lab.backend.watch({ signal: controller.signal })) {
        notices.push(notice);
      }
    })();
    while (notices.length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    const spec = lab.spec();
    await lab.provisioner.up(spec);
    await lab.backend.pause(spec.id);
    await lab.backend.resume(spec.id);
    await lab.provisioner.restart(spec.id);
    await removeAll(spec.id);
    const mine = (): string[] =>
      notices.flatMap((notice) =>
        notice.type !== "relisted" && notice.id === spec.id ? [notice.type] : [],
      );
    while (mine().at(-1) !== "removed") await new Promise((resolve) => setTimeout(resolve, 20));
    expect(mine()).toEqual([
      "started",
      "paused",
      "resumed",
      "exited",
      "started",
      "exited",
      "removed",
    ]);
    controller.abort();
    await watching;
  });

  it("lists workspaces with their URL and finds them by nothing but labels", async () => {
    const spec = lab.spec({ name: "Listed" });
    const { url } = await lab.provisioner.up(spec);
    const list = await lab.backend.list();
    expect(list.find(({ id }) => id === spec.id)).toMatchObject({
      name: "Listed",
      runtime: "test-agent",
      tier: 2,
      status: "running",
      url,
    });
    const other = lab.backendOn(lab.engine, { installId: `${lab.installId}-x` });
    expect(await other.list()).toEqual([]);
    expect(await other.inspect(spec.id)).toBeUndefined();
    expect(await other.stop(spec.id)).toBe(false);
    await removeAll(spec.id);
  });

  it("passes output, exit code, user and environment of a command on", async () => {
    const spec = lab.spec();
    await lab.provisioner.up(spec);
    const out: string[] = [];
    const { exitCode } = await lab.backend.exec(spec.id, {
      argv: ["sh", "-c", "id -u; echo $A; echo err >&2; exit 5"],
      env: { A: "b=c" },
      user: "1000",
      onOutput: ({ stream, bytes }) => void out.push(`${stream}:${bytes.toString()}`),
    });
    expect(exitCode).toBe(5);
    expect(out.join("")).toContain("1000\n");
    expect(out.join("")).toContain("b=c\n");
    expect(out.join("")).toContain("stderr:err\n");
    await removeAll(spec.id);
  });

  describe("sweep", () => {
    const hour = 3_600_000;
    const later = (backend: WorkspaceBackend): WorkspaceBackend => ({
      ...backend,
      listOwned: async (options) =>
        (await backend.listOwned(options)).map((resource) => ({
          ...resource,
          createdAt: resource.createdAt === undefined ? undefined : resource.createdAt - hour,
        })),
    });

    it("removes what has no owner, is old enough and is ours; says so first", async () => {
      const [wanted, unwanted] = [lab.spec(), lab.spec()];
      await lab.provisioner.up(wanted);
      await lab.provisioner.up(unwanted);
      const owned = (id: string): boolean => id === wanted.id;

      const young = await lab.provisioner.sweep({ owned, dryRun: false });
      expect(young.removed).toEqual([]);
      expect(young.kept.map(({ reason }) => reason)).toContain(
        "it is younger than the grace period",
      );

      const provisioner = lab.provisionerOn(later(lab.backend));
      const dry = await provisioner.sweep({ owned, volumes: true, dryRun: true });
      expect([...dry.removed].sort()).toEqual(
        [
          containerName(unwanted.id),
          configVolumeName(unwanted.id),
          `ws-${unwanted.id}-workspace`,
        ].sort(),
      );
      expect(await isRunning(lab.backend, unwanted.id)).toBe(true);

      const real = await provisioner.sweep({ owned, volumes: true, dryRun: false });
      expect([...real.removed].sort()).toEqual([...dry.removed].sort());
      expect(await lab.backend.inspect(unwanted.id)).toBeUndefined();
      expect(await isRunning(lab.backend, wanted.id)).toBe(true);
      await removeAll(wanted.id);
      const network = await lab.provisionerOn(later(lab.backend)).sweep({
        owned: () => false,
        dryRun: false,
      });
      expect(network.removed).toEqual([lab.installId]);
    });

    it("leaves storage alone unless asked: somebody may have kept it on purpose", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      await lab.backend.remove(spec.id, { keepVolumes: true });
      const provisioner = lab.provisionerOn(later(lab.backend));
      const swept = await provisioner.sweep({ owned: () => false, dryRun: false });
      const volumes = [configVolumeName(spec.id), `ws-${spec.id}-workspace`].sort();
      const spared = swept.kept.filter(({ reason }) => reason === "storage goes only when asked");
      expect(spared.map(({ name }) => name).sort()).toEqual(volumes);
      const asked = await provisioner.sweep({
        owned: () => false,
        volumes: true,
        dryRun: false,
      });
      expect([...asked.removed].sort()).toEqual(volumes);
    });

    it("touches nothing of another installation and nothing without labels", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const stranger = lab.backendOn(lab.engine, { installId: `${lab.installId}-y` });
      const swept = await lab
        .provisionerOn(later(stranger))
        .sweep({ owned: () => false, dryRun: false });
      expect(swept).toEqual({ removed: [], kept: [], failed: [] });
      const resource = (await lab.backend.listOwned())[0];
      expect(resource && (await stranger.removeOwned(resource))).toBe(false);
      expect(await isRunning(lab.backend, spec.id)).toBe(true);
      await removeAll(spec.id);
    });

    it("keeps the volumes of a workspace that could not be removed", async () => {
      const spec = lab.spec();
      await lab.provisioner.up(spec);
      const failing: WorkspaceBackend = {
        ...later(lab.backend),
        removeOwned: (resource) =>
          resource.kind === "workspace"
            ? Promise.reject(new Error("the engine is busy"))
            : lab.backend.removeOwned(resource),
      };
      const swept = await lab.provisionerOn(failing).sweep({ owned: () => false, dryRun: false });
      expect(swept.removed).toEqual([]);
      expect(swept.failed).toEqual([
        expect.objectContaining({ name: containerName(spec.id), code: "ERR_INTERNAL" }),
      ]);
      expect(swept.kept.filter(({ reason }) => reason === "its workspace stays")).toHaveLength(2);
      await removeAll(spec.id);
    });
  });

  it.each([3, 4])(
    "creates tier %i with the rights it grants, and starts it where the machine can",
    async (tier) => {
      const spec = lab.spec({ tier });
      await using proxy = await startFaultProxy({ socketPath: lab.socketPath });
      await using engine = await connectLab(proxy.dockerHost);
      // Long enough to look at what was created before it is started.
      proxy.add({ method: "POST", path: /\/start$/, fault: { kind: "delay", ms: 1000 } });
      let created: Promise<RawContainer> | undefined;
      const outcome = await lab
        .provisionerOn(lab.backendOn(engine))
        .up(spec, {
          onEvent: (event) => {
            if (event.type !== "stage.started" || event.stage !== "start") return;
            created = lab.raw(containerName(spec.id));
          },
        })
        .catch((error: unknown) => error);
      expect((await created)?.HostConfig).toMatchObject({
        Privileged: true,
        PidMode: "host",
        ...(tier === 4 ? { NetworkMode: "host", PortBindings: {} } : {}),
      });
      if (!isProvisionerError(outcome)) {
        expect(outcome).toMatchObject({ tier, ready: true });
        await removeAll(spec.id);
        return;
      }
      // A machine that withholds a capability refuses the start, and nothing stays.
      expect(outcome).toMatchObject({ code: "ERR_WORKSPACE_START_FAILED" });
      expect(await lab.backend.inspect(spec.id)).toBeUndefined();
      recordSkip(`start of tier ${tier}: this machine cannot start privileged containers`);
    },
  );

  it("lets only one workspace of tier 4 have a port of the host", async () => {
    const first = lab.spec({ tier: 4 });
    const plan = lab.provisioner.plan(first);
    // The first is only created: a rival need not run yet to have the port.
    await callEngineJson(lab.socketPath, {
      method: "POST",
      path: `/containers/create?name=${plan.container.name}`,
      body: { Image: lab.image.ref, Labels: plan.container.labels },
    });
    const second = lab.spec({ tier: 4 });
    await expect(lab.provisioner.up(second)).rejects.toMatchObject({
      code: "ERR_WORKSPACE_PORT_TAKEN",
      details: { port: 8000, workspace: first.id },
    });
    const third = lab.spec({
      tier: 4,
      configFiles: { "config.yaml": Buffer.from("a2a: {port: 8001}") },
    });
    const outcome: unknown = await lab.provisioner
      .up(third, { wait: false })
      .catch((error: unknown) => error);
    expect(outcome).not.toMatchObject({ code: "ERR_WORKSPACE_PORT_TAKEN" });
    await removeAll(third.id);
    await removeAll(first.id);
  });

  it("knows its runtimes from the allow-list alone", () => {
    expect(createRuntimeRegistry().isKnown("test-agent")).toBe(false);
    expect(() => lab.provisioner.plan(lab.spec({ runtime: "nonsense" }))).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_UNKNOWN" }),
    );
    expect(() => lab.provisioner.plan(lab.spec({ runtime: "../../x" }))).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_NAME_INVALID" }),
    );
  });
});
