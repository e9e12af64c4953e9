import type { EngineInfo } from "@molecule-ai/docker-engine";
import { parse, type SemVer } from "semver";
import { describe, expect, test } from "vitest";
import { parseInspect } from "../builders/parse-inspect.js";
import type { BuildOptions } from "../image-builder.js";
import { judgeBackends } from "./judge-backends.js";
import { buildSettingsFromEnv } from "./settings.js";
import type { BuilderFinding, Survey } from "./survey.js";

const settingsOf = (env: Record<string, string>): ReturnType<typeof buildSettingsFromEnv> =>
  buildSettingsFromEnv(env, { homeDirectory: "/home/u" });

const ENGINE = { version: "20.10.24", buildkit: true, podman: false } as EngineInfo;
const NEED: BuildOptions = { context: { kind: "directory", path: "/c" }, tags: ["a:b"] };
const found = (text: string): BuilderFinding => ({ kind: "found", info: parseInspect(text) });
const DOCKER = found(
  "Name: default\nDriver: docker\n\nNodes:\nName: default\nEndpoint: default\nStatus: running\nBuildKit version: v0.8+unknown\n",
);

const SURVEY: Survey = {
  engineAddress: "/var/run/docker.sock",
  engine: { kind: "healthy", found: ENGINE },
  buildx: { kind: "found", version: parse("0.13.1") as SemVer, program: "/bin/docker-buildx" },
  remote: undefined,
  engineBuilder: { name: "default", finding: DOCKER },
  containerBuilder: { name: "molecule-1-container", finding: { kind: "absent" } },
  remoteBuilderName: "molecule-1",
  namedBuilder: undefined,
};
const REMOTE: Survey = {
  ...SURVEY,
  remote: {
    kind: "healthy",
    found: [
      {
        id: "w",
        labels: { "org.mobyproject.buildkit.worker.snapshotter": "overlayfs" },
        platforms: [],
        buildkitVersion: "v0.17.0",
      },
    ],
  },
};
const REMOTE_ENV = { BUILDKIT_HOST: "tcp://bk.example:1234" };

function verdicts(
  survey: Survey,
  env: Record<string, string> = {},
  need: BuildOptions = NEED,
): Record<string, string> {
  return Object.fromEntries(
    judgeBackends(survey, settingsOf(env), need).map(({ choice, isNamed, candidate }) => [
      isNamed && choice !== "remote" ? "named" : choice,
      candidate.verdict,
    ]),
  );
}

const chosen = (...args: Parameters<typeof verdicts>): string | undefined =>
  Object.entries(verdicts(...args)).find(([, verdict]) => verdict === "chosen")?.[0];

describe("the backend of a build", () => {
  test("is the engine's own BuildKit when nothing else is asked", () => {
    expect(verdicts(SURVEY)).toEqual({
      remote: "absent",
      engine: "chosen",
      "buildx-docker": "usable",
      "docker-container": "usable",
      classic: "usable",
    });
  });

  test.each<[string, Partial<BuildOptions>, string | undefined]>([
    ["secrets", { secrets: [{ id: "a", source: { kind: "value", value: "v" } }] }, "buildx-docker"],
    [
      "several platforms, pushed",
      {
        platforms: ["linux/amd64", "linux/arm64"],
        output: { push: true },
      },
      "docker-container",
    ],
    [
      "a cache in a directory",
      {
        cache: { imports: [], exports: [{ type: "local", ref: "/c", direction: "export" }] },
      },
      "docker-container",
    ],
    ["several platforms, loaded", { platforms: ["linux/amd64", "linux/arm64"] }, undefined],
  ])("with %s is the first that can do it", (_, options, expected) => {
    expect(chosen(SURVEY, {}, { ...NEED, ...options })).toBe(expected);
  });

  test("is the remote daemon when one is named", () => {
    expect(chosen(REMOTE, REMOTE_ENV)).toBe("remote");
  });

  test("is nothing else when a remote daemon that was named does not answer", () => {
    const survey: Survey = { ...SURVEY, remote: { kind: "unhealthy", reasons: ["no answer"] } };
    expect(chosen(survey, REMOTE_ENV)).toBeUndefined();
    expect(chosen(survey, { ...REMOTE_ENV, MOLECULE_BUILD_BACKEND: "engine" })).toBe("engine");
  });

  test("is nothing else when a remote daemon that was named cannot do it", () => {
    const [worker] = REMOTE.remote?.kind === "healthy" ? (REMOTE.remote.found ?? []) : [];
    if (worker === undefined) throw new Error("no worker");
    const poor: Survey = {
      ...REMOTE,
      remote: { kind: "healthy", found: [{ ...worker, labels: {} }] },
    };
    expect(verdicts(poor, REMOTE_ENV)).toMatchObject({ remote: "unusable", engine: "usable" });
  });

  test.each(["engine", "classic", "buildx-docker", "docker-container"])(
    "is %s when that is demanded",
    (backend) => {
      expect(chosen(SURVEY, { MOLECULE_BUILD_BACKEND: backend })).toBe(backend);
    },
  );

  test("is none when what is demanded is not there", () => {
    const survey: Survey = { ...SURVEY, buildx: { kind: "absent", reason: "no buildx" } };
    expect(chosen(survey, { MOLECULE_BUILD_BACKEND: "buildx-docker" })).toBeUndefined();
    expect(chosen(SURVEY, { MOLECULE_BUILD_BACKEND: "remote" })).toBeUndefined();
    expect(chosen(survey)).toBe("engine");
  });

  test("is the classic builder only where there is no BuildKit and nothing special is asked", () => {
    const survey: Survey = {
      ...SURVEY,
      buildx: { kind: "absent", reason: "no buildx" },
      engine: { kind: "healthy", found: { ...ENGINE, buildkit: false } },
    };
    expect(chosen(survey)).toBe("classic");
    expect(chosen(survey, {}, { ...NEED, output: { push: true } })).toBeUndefined();
  });

  test("is the builder that was named, whatever comes before it", () => {
    const named = found(
      "Name: mine\nDriver: docker-container\nNodes:\nName: mine0\nEndpoint: e\nStatus: running\nBuildKit version: v0.20.0\nLabels:\n org.mobyproject.buildkit.worker.snapshotter: overlayfs\n",
    );
    const survey: Survey = { ...REMOTE, namedBuilder: { name: "mine", finding: named } };
    const env = { ...REMOTE_ENV, MOLECULE_BUILDER: "mine" };
    expect(chosen(survey, env)).toBe("named");
    expect(
      chosen({ ...survey, namedBuilder: { name: "mine", finding: { kind: "absent" } } }, env),
    ).toBeUndefined();
  });

  test("is none without engine and buildx", () => {
    const nothing: Survey = {
      ...SURVEY,
      engineAddress: undefined,
      engine: { kind: "unhealthy", reasons: ["there is no Docker engine"] },
      buildx: { kind: "absent", reason: "no buildx" },
    };
    expect(new Set(Object.values(verdicts(nothing)))).toEqual(new Set(["absent"]));
  });

  test("is not a builder in a container where buildx could not keep the certificates", () => {
    const env = { DOCKER_HOST: "tcp://d:2376", DOCKER_TLS_VERIFY: "1" };
    expect(verdicts(SURVEY, env)["docker-container"]).toBe("unusable");
  });
});

test("every candidate says in words what was found and why it is or is not taken", () => {
  const explained = judgeBackends(REMOTE, settingsOf(REMOTE_ENV), {
    ...NEED,
    secrets: [{ id: "a", source: { kind: "value", value: "v" } }],
  }).map(({ candidate }) => candidate);
  expect(
    explained.map(({ name, driver, verdict, reasons }) => ({ name, driver, verdict, reasons })),
  ).toEqual([
    {
      name: "buildx",
      driver: "remote",
      verdict: "chosen",
      reasons: [
        "BuildKit v0.17.0 answers with TLS",
        "buildx 0.13.1 (/bin/docker-buildx)",
        "it was named",
      ],
    },
    {
      name: "buildkit",
      driver: undefined,
      verdict: "unusable",
      reasons: [
        "Docker 20.10.24 answers",
        "its own BuildKit, without buildx",
        "it cannot do: secrets",
      ],
    },
    {
      name: "buildx",
      driver: "docker",
      verdict: "usable",
      reasons: [
        "the builder is running, BuildKit v0.8+unknown",
        "buildx 0.13.1 (/bin/docker-buildx)",
        "it works in an engine with the classic image store, which exports no archives and few caches",
        "not taken: another was named",
      ],
    },
    {
      name: "buildx",
      driver: "docker-container",
      verdict: "usable",
      reasons: [
        "the builder is made when it is first used, from the image of BuildKit",
        "buildx 0.13.1 (/bin/docker-buildx)",
        "not taken: another was named",
      ],
    },
    {
      name: "classic",
      driver: undefined,
      verdict: "unusable",
      reasons: ["Docker 20.10.24 answers", "its classic builder", "it cannot do: secrets"],
    },
  ]);
});
