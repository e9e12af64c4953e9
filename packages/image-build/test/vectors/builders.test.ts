import type { EngineInfo } from "@molecule-ai/docker-engine";
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse, type SemVer } from "semver";
import { describe, expect, test } from "vitest";
import { judgeBackends } from "../../src/backends/judge-backends.js";
import { pickBackend } from "../../src/backends/resolve-backend.js";
import { buildSettingsFromEnv, type BuildSettings } from "../../src/backends/settings.js";
import type { Survey } from "../../src/backends/survey.js";
import { builderName } from "../../src/builders/builder-name.js";
import type { BuilderRequest } from "../../src/builders/create-args.js";
import { ensureBuilder } from "../../src/builders/ensure-builder.js";
import { inspectBuilder } from "../../src/builders/inspect.js";
import { parseInspect } from "../../src/builders/parse-inspect.js";
import { renderBuilder } from "../../src/builders/render-builder.js";
import { createBuildx } from "../../src/buildx/buildx.js";
import { ImageBuildError } from "../../src/errors.js";
import { formatElapsed } from "../../src/render/section.js";
import { formatGoDuration, parseDuration } from "../../src/units/duration.js";
import { openReplayedBuildx } from "../fixtures/replayed-buildx.js";

interface Vector {
  readonly fn: string;
  // Each function has a shape of its own.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly input: any;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly expected: any;
  readonly note: string;
  /** What the original gives, where ours is deliberately different. */
  readonly source?: unknown;
  readonly why?: string;
}

const file = new URL("../fixtures/vectors/builders.json", import.meta.url);
const vectors = JSON.parse(await readFile(file, "utf8")) as readonly Vector[];

const { signal } = new AbortController();
const REPOSITORY = "https://gitlab.com/org/repo";
const ENGINE = { version: "20.10.24", buildkit: true, podman: false } as EngineInfo;

describe.each(vectors.map((vector, index) => [`${index} ${vector.fn}: ${vector.note}`, vector]))(
  "%s",
  (_, vector) => {
    test("holds", () => run(vector as Vector));
    test("says why where it is not as it was", () => {
      const { source, why } = vector as Vector;
      expect(source === undefined).toBe(why === undefined);
    });
  },
);

async function run({ fn, input, expected }: Vector): Promise<void> {
  switch (fn) {
    case "ResolveBackendWithConfig":
      return resolveBackend(input, expected);
    case "EnsureBuilderWithBackend":
    case "Buildx.EnsureBuilder":
      return ensure(input, expected);
    case "ensureRemoteBuilder":
      return ensureRemote(expected);
    case "ResolveBuilderInfo":
      return resolveInfo(input, expected);
    case "RenderBuilderInfo":
      return render(expected);
    case "formatDuration (builder)":
      expect(formatElapsed(parseDuration(input))).toBe(expected);
      return undefined;
    case "formatDurationHuman":
      expect(formatGoDuration(parseDuration(input))).toBe(expected);
      return undefined;
    case "BuilderConfig defaults":
      return defaults(expected);
    case "Backend.isBuildkit":
      expect(
        input.map((word: string) => settingsOf({ MOLECULE_BUILD_BACKEND: word }).backend),
      ).toEqual(expected);
      return undefined;
    default:
      throw new Error(`unknown function ${fn}`);
  }
}

function settingsOf(env: Record<string, string>): BuildSettings {
  const named = { MOLECULE_BUILD_NAMESPACE: "sf", ...env };
  return buildSettingsFromEnv(named, { homeDirectory: "/home/u" });
}

// oxlint-disable-next-line typescript/no-explicit-any
function resolveBackend(input: any, expected: any): void {
  const isReachable = input["/var/run/docker.sock"] === true;
  const settings = settingsOf({
    MOLECULE_BUILD_BACKEND: input.config,
    ...(input.env as Record<string, string> | undefined),
  });
  const survey: Survey = {
    engineAddress: isReachable ? "/var/run/docker.sock" : "tcp://dind:2376",
    engine: isReachable
      ? { kind: "healthy", found: ENGINE }
      : { kind: "unhealthy", reasons: ["nothing listens there"] },
    buildx: { kind: "found", version: parse("0.13.1") as SemVer, program: "docker-buildx" },
    remote:
      settings.remote === undefined
        ? undefined
        : {
            kind: "healthy",
            found: [
              {
                id: "w",
                platforms: [],
                buildkitVersion: "v0.17.0",
                labels: { "org.mobyproject.buildkit.worker.snapshotter": "overlayfs" },
              },
            ],
          },
    engineBuilder: { name: "default", finding: { kind: "absent" } },
    containerBuilder: { name: "sf-e2f630c7-container", finding: { kind: "absent" } },
    remoteBuilderName: "sf-e2f630c7",
    namedBuilder: undefined,
  };
  if (expected.code !== undefined) {
    const pick = (): unknown =>
      pickBackend(survey, {
        settings,
        engine: undefined,
        buildx: undefined,
        repositoryId: REPOSITORY,
        signal,
      });
    expect(pick).toThrow(ImageBuildError);
    expect(pick).toThrow(
      expect.objectContaining({ code: expected.code, message: expected.error }) as Error,
    );
    return;
  }
  const winner = judgeBackends(survey, settings, undefined).find(
    ({ candidate }) => candidate.verdict === "chosen",
  );
  expect(winner).toMatchObject({
    choice: expected.choice,
    candidate: { endpoint: expected.endpoint },
  });
  if (expected.certPath !== undefined) {
    expect(settings.remote?.certDirectory).toBe(expected.certPath);
    expect(settings.remote?.endpoint.address).toBe(expected.probed);
  }
}

// oxlint-disable-next-line typescript/no-explicit-any
async function ensure(input: any, expected: any): Promise<void> {
  await using replay = await openReplayedBuildx();
  const name = (input["cfg.name"] as string | undefined) ?? builderName(REPOSITORY, "sf");
  const dockerHost = input.env?.["DOCKER_HOST"] as string | undefined;
  const request: BuilderRequest = {
    name: dockerHost === undefined ? name : "sf-builder",
    driver: "docker-container",
    dockerEndpoint: dockerHost ?? "unix:///var/run/docker.sock",
  };
  if (input.fake === "all succeed") {
    await replay.put({
      [name]: { driver: "docker-container", endpoint: request.dockerEndpoint, options: {} },
    });
  }
  const { buildx, stateDirectory } = replay;
  const ensuring = ensureBuilder({ buildx, stateDirectory, request, signal });
  if (expected.code === undefined) {
    const { action, driver, nodes } = await ensuring;
    expect(action).toBe(expected.action);
    if (expected.driver !== undefined) expect(driver).toBe(expected.driver);
    if (expected.bootstrapOK === true) expect(nodes[0]?.status).toBe("running");
  } else {
    await expect(ensuring).rejects.toMatchObject({
      code: expected.code,
      message: expected.error,
    });
  }
  expect(await replay.calls()).toEqual(expected.commands);
  const record = expected["builder.json"];
  if (record === undefined) return;
  const text = await readFile(join(stateDirectory, "builders", name, "builder.json"), "utf8");
  expect(text).toBe(`${JSON.stringify(record)}\n`);
}

// oxlint-disable-next-line typescript/no-explicit-any
async function ensureRemote(expected: any): Promise<void> {
  await using replay = await openReplayedBuildx();
  const certDirectory = join(replay.stateDirectory, "certs");
  await mkdir(certDirectory, { recursive: true });
  for (const part of ["ca.pem", "cert.pem"]) await writeFile(join(certDirectory, part), "");
  const { buildx, stateDirectory } = replay;
  const request: BuilderRequest = {
    name: "sf-builder",
    driver: "remote",
    endpoint: "tcp://bk.example:1234",
    certDirectory,
  };
  await expect(ensureBuilder({ buildx, stateDirectory, request, signal })).rejects.toMatchObject({
    code: expected.code,
    message: expected.error.replaceAll("$CERTS", certDirectory),
  });
  expect(await replay.calls()).toEqual(expected.commands);
}

// oxlint-disable-next-line typescript/no-explicit-any
async function resolveInfo(input: any, expected: any): Promise<void> {
  if (input.exit === 1) {
    await using replay = await openReplayedBuildx();
    const { buildx } = replay;
    expect((await inspectBuilder({ buildx, name: input.name, signal })) ?? null).toBe(expected);
    return;
  }
  const home = await mkdtemp(join(tmpdir(), "molecule-vector-"));
  try {
    const program = join(home, "buildx");
    const { stdout, name = "x" } = input as { stdout: string; name?: string };
    await writeFile(join(home, "stdout"), stdout);
    await writeFile(program, `#!/bin/sh\nprintf '%s ' "$@" >> ${home}/calls\ncat ${home}/stdout\n`);
    await chmod(program, 0o755);
    const env = { PATH: "/usr/bin:/bin" };
    const buildx = createBuildx({ command: { file: program, args: [] }, env });
    const info = await inspectBuilder({ buildx, name, signal });
    expect(info?.complete).toBe(!expected.parseFailed);
    expect(info?.driver).toBe(expected.driver);
    const [node] = info?.nodes ?? [];
    expect(node?.status).toBe(expected.status);
    // `docker` and `buildx` come before it only where buildx is run through docker.
    const calls = await readFile(join(home, "calls"), "utf8");
    expect(calls.trim().split(" ")).toEqual(["inspect", name]);
    if (expected.gcRules === undefined) return;
    expect(info?.name).toBe(expected.name);
    expect(node?.endpoint).toBe(expected.endpoint);
    expect(node?.buildkitVersion).toBe(expected.buildKit);
    expect(node?.platforms.join(", ")).toBe(expected.platforms);
    expect(
      node?.gcRules.map((rule) => ({
        all: rule.all,
        keepDuration: rule.keepDuration ?? "",
        maxUsed: rule.maxUsed ?? "",
        minFree: rule.minFree ?? "",
        reserved: rule.reserved ?? "",
        scope: rule.scope,
      })),
    ).toEqual(expected.gcRules);
    expect(expected.commands).toEqual([["docker", "buildx", "inspect", name]]);
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}

function render(expected: string): void {
  const described = vectors.find(({ fn, input }) => fn === "ResolveBuilderInfo" && input.action);
  const info = parseInspect(described?.input.stdout as string);
  expect(renderBuilder({ ...info, action: "reused", bootstrapMs: 1500 })).toBe(expected);
}

// oxlint-disable-next-line typescript/no-explicit-any
function defaults(expected: any): void {
  const settings = settingsOf({});
  const name = builderName(REPOSITORY, settings.namespace);
  const request: BuilderRequest = {
    name,
    driver: "docker-container",
    dockerEndpoint: "unix:///var/run/docker.sock",
  };
  expect({
    name: request.name,
    driver: request.driver,
    context: settings.dockerContext ?? null,
    backend: settings.backend,
  }).toEqual(expected);
}
