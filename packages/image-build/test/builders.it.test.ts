import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { findBuildx, findTestEngine, startBuildkitBridge, uniqueName } from "@molecule-ai/testkit";
import { describe, expect, test } from "vitest";
import { parseBuildkitEndpoint } from "../src/backends/buildkit-endpoint.js";
import { explainBackend } from "../src/backends/explain-backend.js";
import { probeBuildkit, probeEngine, type Probe } from "../src/backends/probe.js";
import { resolveBackend } from "../src/backends/resolve-backend.js";
import { createBackendResolver } from "../src/backends/backend-resolver.js";
import { buildSettingsFromEnv, type BuildSettings } from "../src/backends/settings.js";
import type { BuilderRequest } from "../src/builders/create-args.js";
import { ensureBuilder } from "../src/builders/ensure-builder.js";
import { inspectBuilder } from "../src/builders/inspect.js";
import { listBuilders } from "../src/builders/list-builders.js";
import { removeBuilder } from "../src/builders/remove-builder.js";
import type { BuildOptions } from "../src/image-builder.js";
import { openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { engineAt } from "./setup.js";

const found = await findTestEngine();
const program = await findBuildx();
const skip = found.skip !== undefined || program.skip !== undefined;
const socketPath = found.socketPath ?? "";
const dockerHost = found.dockerHost ?? "";
const { signal } = new AbortController();

interface Bench extends TestBuildx {
  readonly stateDirectory: string;
  ensure(
    request: BuilderRequest,
    more?: Partial<Parameters<typeof ensureBuilder>[0]>,
  ): ReturnType<typeof ensureBuilder>;
}

/** buildx and a state directory of its own; disposal forgets both. */
async function openBench(): Promise<Bench> {
  const test = await openTestBuildx(program.file ?? "", dockerHost);
  const stateDirectory = await mkdtemp(join(tmpdir(), "molecule-state-"));
  return {
    ...test,
    stateDirectory,
    ensure: async (request, more) =>
      ensureBuilder({ buildx: test.buildx, stateDirectory, request, signal, ...more }),
    async [Symbol.asyncDispose]() {
      await test[Symbol.asyncDispose]();
      await rm(stateDirectory, { recursive: true, force: true });
    },
  };
}

/** Takes connections and says nothing; the first `after` of them are carried to `port`. */
async function startSilence(
  carried: { readonly after: number; readonly port: number } = { after: 0, port: 0 },
): Promise<AsyncDisposable & { readonly address: string }> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on("error", () => {});
    if (open.size > carried.after) return;
    const other = connect(carried.port, "127.0.0.1");
    open.add(other);
    other.on("error", () => {});
    socket.pipe(other).pipe(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `tcp://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

const remote = (name: string, endpoint: string, certDirectory?: string): BuilderRequest => ({
  name,
  driver: "remote",
  endpoint,
  certDirectory,
});

describe.skipIf(skip)("a builder on a remote BuildKit", () => {
  test("is made, used again, and made anew for another address", async () => {
    await using bench = await openBench();
    await using first = await startBuildkitBridge({ socketPath });
    const name = uniqueName("molecule-it");
    const made = await bench.ensure(remote(name, first.address));
    expect(made).toMatchObject({ name, driver: "remote", action: "created", complete: true });
    expect(made.nodes[0]).toMatchObject({ endpoint: first.address, status: "running" });
    expect(made.nodes[0]?.platforms).toContain("linux/amd64");
    expect((await bench.ensure(remote(name, first.address))).action).toBe("reused");

    await using second = await startBuildkitBridge({ socketPath });
    const moved = await bench.ensure(remote(name, second.address));
    expect(moved).toMatchObject({ action: "recreated", nodes: [{ endpoint: second.address }] });
    const calls = await bench.calls();
    expect(calls).not.toMatch(/^--use$|^use$/m);
    // Without a current builder of ours, everybody else's builds go where they went before.
    const current = await bench.buildx.run({ args: ["inspect"], signal });
    expect(current.stdout.toString()).toMatch(/^Name:\s+default$/m);
  });

  test("is made anew also when its record is lost, by what buildx says of it", async () => {
    await using bench = await openBench();
    await using first = await startBuildkitBridge({ socketPath });
    await using second = await startBuildkitBridge({ socketPath });
    const name = uniqueName("molecule-it");
    await bench.ensure(remote(name, first.address));
    await rm(join(bench.stateDirectory, "builders"), { recursive: true });
    expect((await bench.ensure(remote(name, first.address))).action).toBe("reused");
    expect((await bench.ensure(remote(name, second.address))).action).toBe("recreated");
  });

  test("is listed, inspected and removed", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath });
    const { buildx, stateDirectory } = bench;
    const name = uniqueName("molecule-it");
    await bench.ensure(remote(name, bridge.address));
    const all = await listBuilders({ buildx, signal });
    expect(all.map((builder) => builder.name).sort()).toEqual(["default", name]);
    expect(await listBuilders({ buildx, signal, prefix: "molecule-it" })).toHaveLength(1);
    expect(await inspectBuilder({ buildx, name, signal })).toMatchObject({ driver: "remote" });
    expect(await removeBuilder({ buildx, name, stateDirectory, signal })).toBe(true);
    expect(await removeBuilder({ buildx, name, stateDirectory, signal })).toBe(false);
    expect(await inspectBuilder({ buildx, name, signal })).toBeUndefined();
  });

  test("that is dead is said to be at once, and nothing is made", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath });
    const { address } = bridge;
    await bridge[Symbol.asyncDispose]();
    await expect(bench.ensure(remote("molecule-it", address))).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("nothing listens there") as string,
      hint: expect.stringContaining("BUILDKIT_HOST") as string,
    });
    expect(await bench.calls()).toBe("");
  });

  test("that never answers ends at the deadline", async () => {
    await using bench = await openBench();
    await using silence = await startSilence();
    await expect(
      bench.ensure(remote("molecule-it", silence.address), { bootstrapTimeoutMs: 500 }),
    ).rejects.toMatchObject({ code: "ERR_DEADLINE" });
    expect(await bench.calls()).toBe("");
  });

  test("that falls silent while it starts ends at the deadline, and leaves nothing", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath });
    await using silence = await startSilence({ after: 1, port: bridge.port });
    const name = uniqueName("molecule-it");
    const startedAt = performance.now();
    await expect(
      bench.ensure(remote(name, silence.address), { bootstrapTimeoutMs: 2000 }),
    ).rejects.toMatchObject({ code: "ERR_DEADLINE" });
    expect(performance.now() - startedAt).toBeLessThan(15_000);
    expect(await bench.calls()).toMatch(/^create$/m);
    expect(await processesOf(bench)).toEqual([]);
    expect(await inspectBuilder({ buildx: bench.buildx, name, signal })).toBeUndefined();
  }, 30_000);

  test("is left for another that answers, though the old one never does", async () => {
    await using bench = await openBench();
    await using silence = await startSilence();
    await using bridge = await startBuildkitBridge({ socketPath });
    const name = uniqueName("molecule-it");
    await bench.ensure(remote(name, bridge.address));
    await bench.buildx.run({ args: ["rm", name], signal });
    // buildx writes it down at once and then waits for its daemon.
    await bench.buildx
      .run({
        args: ["create", "--name", name, "--driver", "remote", silence.address],
        signal: AbortSignal.timeout(1500),
      })
      .catch(() => {});
    const record = join(bench.stateDirectory, "builders", name, "builder.json");
    const old = JSON.parse(await readFile(record, "utf8")) as Record<string, unknown>;
    await writeFile(record, JSON.stringify({ ...old, endpoint: silence.address, settings: "old" }));
    const startedAt = performance.now();
    expect((await bench.ensure(remote(name, bridge.address))).action).toBe("recreated");
    expect(performance.now() - startedAt).toBeLessThan(15_000);
  }, 60_000);

  test("is made once by two processes at the same moment", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath });
    const name = uniqueName("molecule-it");
    const request = remote(name, bridge.address);
    const { settings } = bench.buildx;
    const { stateDirectory } = bench;
    const args = [
      "--conditions=@molecule-ai/source",
      "--import",
      import.meta.resolve("tsx"),
      fileURLToPath(new URL("./fixtures/ensure-builder.ts", import.meta.url)),
      JSON.stringify({ settings, stateDirectory, request }),
    ];
    const actions = await Promise.all(
      [1, 2].map(async () => (await promisify(execFile)(process.execPath, args)).stdout),
    );
    expect(actions.sort()).toEqual(["created", "reused"]);
    expect((await bench.calls()).match(/^create$/gm)).toHaveLength(1);
  }, 60_000);

  test("is shared also by callers that keep their state apart", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath });
    const name = uniqueName("molecule-it");
    const made = await Promise.all(
      ["a", "b", "c"].map((directory) =>
        bench.ensure(remote(name, bridge.address), {
          stateDirectory: join(bench.stateDirectory, directory),
        }),
      ),
    );
    expect(made.filter(({ action }) => action === "created")).toHaveLength(1);
  });
});

describe.skipIf(skip)("a builder on a remote BuildKit with TLS", () => {
  test("is made with the certificates of the client, and used again", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath, tls: true });
    const name = uniqueName("molecule-it");
    const request = remote(name, bridge.address, bridge.certificates);
    const made = await bench.ensure(request);
    expect(made).toMatchObject({ action: "created", nodes: [{ status: "running" }] });
    expect(made.nodes[0]?.driverOptions).toEqual({
      cacert: `${bridge.certificates}/ca.pem`,
      cert: `${bridge.certificates}/cert.pem`,
      key: `${bridge.certificates}/key.pem`,
    });
    expect((await bench.ensure(request)).action).toBe("reused");
  });

  test("is refused without key.pem, before buildx is called", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath, tls: true });
    await rm(`${bridge.certificates}/key.pem`);
    await expect(
      bench.ensure(remote("molecule-it", bridge.address, bridge.certificates)),
    ).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("key.pem is missing") as string,
    });
    expect(await bench.calls()).toBe("");
  });

  test("is refused, with the reason, by other certificates than its own", async () => {
    await using bench = await openBench();
    await using bridge = await startBuildkitBridge({ socketPath, tls: true });
    await using other = await startBuildkitBridge({ socketPath, tls: true });
    await expect(
      bench.ensure(remote("molecule-it", bridge.address, other.certificates)),
    ).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("its certificate is not signed by ca.pem") as string,
    });
    expect(await bench.calls()).toBe("");
  });

  test("is refused without certificates on another machine, before buildx is called", async () => {
    await using bench = await openBench();
    await expect(
      bench.ensure(remote("molecule-it", "tcp://bk.example:1234")),
    ).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("TLS") as string,
    });
    expect(await bench.calls()).toBe("");
  });
});

describe.skipIf(skip)("a builder in a container", () => {
  test("is understood by buildx with its limits and rules, and taken back when its image cannot be had", async () => {
    await using bench = await openBench();
    const name = uniqueName("molecule-it");
    await expect(
      bench.ensure({
        name,
        driver: "docker-container",
        dockerEndpoint: dockerHost,
        image: "127.0.0.1:9/molecule/none:v0.12.5",
        limits: { memoryBytes: 512 * 1024 ** 2, cpus: 1.5 },
        config: { gc: [{ all: true, maxUsed: 1e9 }], maxParallelism: 2 },
      }),
    ).rejects.toMatchObject({
      code: "ERR_BUILDER",
      message: expect.stringContaining("127.0.0.1:9") as string,
      hint: expect.stringContaining("privileged") as string,
    });
    expect(await inspectBuilder({ buildx: bench.buildx, name, signal })).toBeUndefined();
    await using engine = await engineAt(socketPath);
    expect(await engine.containers.list({ name, all: true })).toEqual([]);
  });
});

describe.skipIf(skip)("the health of an endpoint", () => {
  const probe = async (
    address: string,
    certDirectory?: string,
    timeoutMs = 5000,
  ): Promise<Probe<unknown>> =>
    probeBuildkit(
      { endpoint: parseBuildkitEndpoint(address, "test"), certDirectory },
      { signal, timeoutMs },
    );

  test("is that BuildKit answers, also with TLS", async () => {
    await using plain = await startBuildkitBridge({ socketPath });
    await using tls = await startBuildkitBridge({ socketPath, tls: true });
    const healthy = {
      kind: "healthy",
      found: [
        expect.objectContaining({ platforms: expect.arrayContaining(["linux/amd64"]) as string[] }),
      ],
    };
    expect(await probe(plain.address)).toEqual(healthy);
    expect(await probe(tls.address, tls.certificates)).toEqual(healthy);
    expect(await probe(`tcp://localhost:${tls.port}`, tls.certificates)).toEqual(healthy);
    await expect.poll(() => plain.connections + tls.connections).toBe(0);
  });

  test("has a reason in words when it is not good", async () => {
    await using plain = await startBuildkitBridge({ socketPath });
    await using tls = await startBuildkitBridge({ socketPath, tls: true });
    await using other = await startBuildkitBridge({ socketPath, tls: true });
    await using silence = await startSilence();
    const reasonOf = async (...args: Parameters<typeof probe>): Promise<string> => {
      const answer = await probe(...args);
      return answer.kind === "healthy" ? "healthy" : answer.reasons.join("; ");
    };
    expect(await reasonOf("tcp://127.0.0.1:9")).toBe("nothing listens there");
    expect(await reasonOf("tcp://nothing.invalid:1")).toMatch(/host name/);
    expect(await reasonOf("unix:///nowhere/buildkitd.sock")).toBe("there is no such socket");
    expect(await reasonOf(`unix://${socketPath}`)).toBe("what answers does not speak gRPC");
    expect(await reasonOf(silence.address, undefined, 500)).toMatch(/took longer than 500 ms/);
    expect(await reasonOf(plain.address, tls.certificates)).toBe("it does not speak TLS");
    expect(await reasonOf(tls.address)).toMatch(/closed without an answer|connection was broken/);
    expect(await reasonOf(tls.address, other.certificates)).toBe(
      "its certificate is not signed by ca.pem",
    );
    expect(await reasonOf(tls.address, "/nowhere")).toBe(
      "/nowhere/ca.pem is missing; /nowhere/cert.pem is missing; /nowhere/key.pem is missing",
    );
    // The right server, but a client that it does not know.
    const mixed = await mkdtemp(join(tmpdir(), "molecule-certs-"));
    try {
      for (const [part, from] of [
        ["ca", tls],
        ["cert", other],
        ["key", other],
      ] as const) {
        await writeFile(
          join(mixed, `${part}.pem`),
          await readFile(join(from.certificates ?? "", `${part}.pem`)),
        );
      }
      expect(await reasonOf(tls.address, mixed)).toMatch(
        /does not accept our certificate|closed without an answer|connection was broken/,
      );
      await writeFile(
        join(mixed, "key.pem"),
        await readFile(join(tls.certificates ?? "", "key.pem")),
      );
      expect(await reasonOf(tls.address, mixed)).toMatch(/key\.pem does not belong to .*cert\.pem/);
      await writeFile(join(mixed, "key.pem"), "no key");
      expect(await reasonOf(tls.address, mixed)).toMatch(/key\.pem is no private key/);
      await writeFile(join(mixed, "cert.pem"), "no certificate");
      expect(await reasonOf(tls.address, mixed)).toMatch(/cert\.pem is no certificate/);
    } finally {
      await rm(mixed, { recursive: true, force: true });
    }
  });

  test("is no longer asked for when the caller aborts", async () => {
    await using silence = await startSilence();
    const controller = new AbortController();
    const reason = new Error("enough");
    const probing = probeBuildkit(
      { endpoint: parseBuildkitEndpoint(silence.address, "test"), certDirectory: undefined },
      { signal: controller.signal, timeoutMs: 30_000 },
    );
    controller.abort(reason);
    await expect(probing).rejects.toBe(reason);
  });

  test("of an engine is that it answers now", async () => {
    await using engine = await engineAt(socketPath);
    expect(await probeEngine(engine, { signal })).toMatchObject({ kind: "healthy" });
    await engine[Symbol.asyncDispose]();
    expect(await probeEngine(engine, { signal })).toMatchObject({ kind: "unhealthy" });
  });
});

describe.skipIf(skip)("the backend on this machine", () => {
  const need: BuildOptions = { context: { kind: "directory", path: "/c" }, tags: ["a:b"] };
  const settingsOf = (bench: Bench, env: Record<string, string> = {}): BuildSettings =>
    buildSettingsFromEnv(
      { DOCKER_HOST: dockerHost, ...env },
      { homeDirectory: bench.stateDirectory, stateDirectory: bench.stateDirectory },
    );

  test("is explained, with what each way can and cannot do, and nothing is made", async () => {
    await using bench = await openBench();
    await using engine = await engineAt(socketPath);
    await using bridge = await startBuildkitBridge({ socketPath });
    const explain = async (
      env: Record<string, string>,
      options: BuildOptions = need,
    ): Promise<readonly (readonly [string | undefined, string])[]> => {
      const candidates = await explainBackend({
        engine,
        buildx: bench.buildx,
        settings: settingsOf(bench, env),
        repositoryId: "r",
        need: options,
        signal,
      });
      expect(candidates.every(({ reasons }) => reasons.length > 0)).toBe(true);
      return candidates.map(({ name, driver, verdict }) => [driver ?? name, verdict]);
    };
    expect(await explain({})).toEqual([
      ["remote", "absent"],
      ["buildkit", "chosen"],
      ["docker", "usable"],
      ["docker-container", "usable"],
      ["classic", "usable"],
    ]);
    const secrets = [{ id: "s", source: { kind: "value" as const, value: "v" } }];
    expect(await explain({}, { ...need, secrets })).toContainEqual(["docker", "chosen"]);
    // The daemon behind the bridge is that of an engine: it has nothing to load with.
    expect(await explain({ BUILDKIT_HOST: bridge.address })).toContainEqual(["remote", "unusable"]);
    expect(
      await explain({ BUILDKIT_HOST: bridge.address }, { ...need, output: { directory: "/o" } }),
    ).toContainEqual(["remote", "chosen"]);
    expect(await bench.calls()).not.toMatch(/^create$/m);
  });

  test("is resolved to a builder that runs, the same for the whole operation", async () => {
    await using bench = await openBench();
    await using engine = await engineAt(socketPath);
    await using bridge = await startBuildkitBridge({ socketPath });
    const common = {
      engine,
      buildx: bench.buildx,
      repositoryId: "https://gitlab.com/org/repo",
      signal,
    };
    const settings = settingsOf(bench, { BUILDKIT_HOST: bridge.address });
    const wanted: BuildOptions = { ...need, output: { directory: "/o" } };
    const backend = await resolveBackend({ ...common, settings, need: wanted });
    expect(backend).toMatchObject({
      name: "buildx",
      driver: "remote",
      builder: "molecule-e2f630c7",
      endpoint: bridge.address,
      capabilities: { load: false, directoryOutput: true, cacheExports: ["inline"] },
    });
    expect(
      await inspectBuilder({ buildx: bench.buildx, name: "molecule-e2f630c7", signal }),
    ).toMatchObject({ nodes: [{ status: "running" }] });

    const engineBackend = await resolveBackend({ ...common, settings: settingsOf(bench), need });
    expect(engineBackend).toMatchObject({ name: "buildkit", endpoint: socketPath });
    const docker = settingsOf(bench, { MOLECULE_BUILD_BACKEND: "buildx-docker" });
    expect(await resolveBackend({ ...common, settings: docker, need })).toMatchObject({
      driver: "docker",
      builder: "default",
      capabilities: { push: true, multiPlatform: false, cacheExports: ["inline"] },
    });
  });

  test("that is asked for many times is looked for once in a while", async () => {
    await using bench = await openBench();
    await using engine = await engineAt(socketPath);
    await using bridge = await startBuildkitBridge({ socketPath });
    const resolve = createBackendResolver({
      engine,
      buildx: bench.buildx,
      repositoryId: "r",
      settings: settingsOf(bench, { BUILDKIT_HOST: bridge.address }),
    });
    const wanted: BuildOptions = { ...need, output: { directory: "/o" } };
    await resolve({ need: wanted, signal });
    const calls = await bench.calls();
    expect(await resolve({ need: wanted, signal })).toMatchObject({ driver: "remote" });
    expect(await bench.calls()).toBe(calls);
    await expect(resolve({ need, signal })).rejects.toMatchObject({ code: "ERR_BUILD_BACKEND" });
  });

  test("is an error when what was named does not answer, with all that was found", async () => {
    await using bench = await openBench();
    await using engine = await engineAt(socketPath);
    const resolving = resolveBackend({
      engine,
      buildx: bench.buildx,
      repositoryId: "r",
      settings: settingsOf(bench, { BUILDKIT_HOST: "tcp://127.0.0.1:9" }),
      need,
      signal,
    });
    await expect(resolving).rejects.toMatchObject({
      code: "ERR_BUILD_BACKEND",
      message:
        "No way to build can be used: buildx remote at tcp://127.0.0.1:9 (nothing listens there).",
      hint: expect.stringContaining("BUILDKIT_HOST") as string,
    });
    const error = (await resolving.catch((thrown: unknown) => thrown)) as {
      details: { candidates: unknown[] };
    };
    expect(error.details.candidates).toHaveLength(5);
  });

  test("may be a builder of somebody else, which is started and left as it is", async () => {
    await using bench = await openBench();
    await using engine = await engineAt(socketPath);
    await using bridge = await startBuildkitBridge({ socketPath });
    await bench.buildx.run({
      args: ["create", "--name", "theirs", "--driver", "remote", bridge.address],
      signal,
    });
    const settings = settingsOf(bench, { MOLECULE_BUILDER: "theirs" });
    const backend = await resolveBackend({
      engine,
      buildx: bench.buildx,
      repositoryId: "r",
      settings,
      need: { ...need, output: { directory: "/o" } },
      signal,
    });
    expect(backend).toMatchObject({ builder: "theirs", driver: "remote" });
    expect((await bench.calls()).match(/^create$/gm)).toHaveLength(1);
    expect(await readdir(bench.stateDirectory)).toEqual([]);
  });

  test("is explained without buildx and without an engine", async () => {
    await using bench = await openBench();
    const candidates = await explainBackend({
      engine: undefined,
      engineFailure: new Error("The Docker engine does not answer"),
      buildx: undefined,
      settings: settingsOf(bench),
      repositoryId: "r",
      signal,
    });
    expect(candidates.map(({ verdict }) => verdict)).toEqual(Array(5).fill("absent"));
  });
});

/** Processes of that buildx that still run. */
async function processesOf(bench: Bench): Promise<readonly string[]> {
  const home = bench.buildx.settings.env["HOME"] ?? "";
  const running: string[] = [];
  for (const pid of await readdir("/proc")) {
    if (!/^\d+$/.test(pid)) continue;
    const env = await readFile(`/proc/${pid}/environ`, "utf8").catch(() => "");
    if (env.includes(`HOME=${home}\0`)) running.push(pid);
  }
  return running;
}
