import type { DockerEngine } from "@molecule-ai/docker-engine";
import { readFile, writeFile } from "node:fs/promises";
import { parse } from "semver";
import { expect, test } from "vitest";
import type { BackendCapabilities } from "../../src/backends/backend.js";
import { isMultiPlatform } from "../../src/backends/requirements.js";
import { buildxBuildArgs } from "../../src/buildx/build-args.js";
import type { Buildx } from "../../src/buildx/buildx.js";
import { parseBuildxMetadata, parseMetadataDigest } from "../../src/buildx/metadata.js";
import type { CacheRef } from "../../src/cache/cache-ref.js";
import { planCache } from "../../src/cache/plan-cache.js";
import { parseCacheSettings } from "../../src/cache/settings.js";
import { createImageBuilder } from "../../src/create-image-builder.js";
import type { ImageBuildError } from "../../src/errors.js";
import type { BuildOptions, BuildResult } from "../../src/image-builder.js";
import { planOutput, summarizePlan } from "../../src/output-strategy.js";
import { autoBuildArgs } from "../../src/plan/auto-build-args.js";
import { isTargetAllowed } from "../../src/plan/conditions.js";
import { summarizeDockerfile } from "../../src/plan/dockerfile-summary.js";
import { hashPlan } from "../../src/plan/plan-hash.js";
import { substituteStageName } from "../../src/plan/stage-name.js";
import { standardLabels } from "../../src/plan/standard-labels.js";
import { backendOf } from "../buildx-setup.js";
import { directoryOf } from "../setup.js";

interface Vector {
  readonly fn: string;
  // Each function has a shape of its own.
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly input: any;
  readonly expected: unknown;
  readonly note: string;
  /** What the original gives, where ours is deliberately different. */
  readonly source?: unknown;
  readonly why?: string;
}

const file = new URL("../fixtures/vectors/build.json", import.meta.url);
const vectors = JSON.parse(await readFile(file, "utf8")) as readonly Vector[];

for (const [index, vector] of vectors.entries()) {
  test(`${vector.fn} #${index}: ${vector.why ?? vector.note}`, async () => {
    expect(await run(vector)).toEqual(vector.expected);
    expect("source" in vector).toBe(vector.why !== undefined);
  });
}

async function run({ fn, input, expected }: Vector): Promise<unknown> {
  switch (fn) {
    case "Buildx.buildArgs":
    case "Buildx.buildArgs@HEAD":
      return argumentsOf(input as OriginalStep);
    case "injectProgressPlain": {
      const isPlain = (expected as string[]).includes("--progress=plain");
      const args = buildxBuildArgs({
        options: { tags: [], output: { load: false } },
        context: ".",
        dockerfile: isPlain ? "D" : undefined,
        progress: isPlain ? "plain" : "rawjson",
      });
      return ["buildx", ...args];
    }
    case "IsMultiPlatform":
      // One platform is written as text.
      return isMultiPlatform([input].flat() as string[]);
    case "ParseMetadataDigest":
      return digestOf(input as string);
    case "build.ParseDockerfile": {
      const { stages, args, expose, healthcheck } = summarizeDockerfile(input as string);
      return {
        args,
        expose,
        healthcheck,
        stages: stages.map(({ name, baseImage, line }) => ({
          Name: name,
          BaseImage: baseImage,
          Line: line,
        })),
      };
    }
    case "build.StandardLabels":
      return standardLabels({
        source: { commit: input.commit, version: input.version, time: input.created },
        mode: input.mode,
        planHash: input.planHash,
        prefix: "org.stagefreight",
      });
    case "build.NormalizeBuildPlan":
      return hashPlan([input]);
    case "targetAllowed":
      return isTargetAllowed({
        conditions: { branches: input.branches ?? [], gitTags: input.gitTags ?? [] },
        policies: policiesOf(input.policies as string),
        branch: input.branch,
        gitTag: input.gitTag,
      });
    case "autoInjectBuildArgs":
      return autoBuildArgs({
        declared: input.dockerfileArgs,
        source: {
          version: input.version,
          commit: input.sha,
          time: input.STAGEFREIGHT_BUILD_DATE,
        },
        buildArgs: input.existing,
      });
    case "planPhase strategy":
      return planOf(input as string);
    case "applyImageBuildStrategy@HEAD": {
      const { output } = planOutput({
        platforms: input.platforms,
        hasRegistries: input.hasRegistries,
        local: input.local,
        ociLayout: input.transport === true ? "/layout" : undefined,
        keepsLayout: input.retainViaCAS,
        capabilities: EVERYTHING,
      });
      return { load: output.load === true, push: output.push === true };
    }
    case "executePhase":
      return execute(input as string);
    case "Buildx.BuildWithLayers": {
      const isPush = input !== "exit 1";
      const { events, error } = await buildWith({
        end: isPush ? "without metadata" : "failed",
        options: isPush ? { output: { push: true } } : {},
        progress: { vertexes: [{ ...ENDED, name: "[1/1] FROM scratch" }] },
      });
      const failed = { error: error?.code, status: "failed" };
      if (isPush) return failed;
      const layers = events.filter(
        (event) =>
          event.type === "build.vertex" &&
          event.status === "completed" &&
          event.name.startsWith("[1/1]"),
      );
      return { ...failed, reason: reasonOf(error), layers: layers.length };
    }
    case "Run": {
      const { error, calls } = await buildWith({ options: { tags: [] } });
      expect(calls).toEqual([]);
      return { error: error?.code };
    }
    case "substituteStageName@HEAD": {
      const [name, os, arch] = input as [string, string, string];
      return substituteStageName(name, { os, arch });
    }
    case "buildx real run: metadata file": {
      const id = `sha256:${"a".repeat(64)}`;
      const { imageNames } = parseBuildxMetadata(
        JSON.stringify({ "buildx.build.ref": "b/n/i", "containerimage.digest": id }),
      );
      expect(imageNames).toEqual([]);
      const { result } = await buildWith({});
      expect(result).toMatchObject({ imageId: IMAGE, digest: undefined });
      return expected;
    }
    default:
      throw new Error(`no code for ${fn}`);
  }
}

interface OriginalStep {
  readonly buildArgs?: Record<string, string> | null;
  readonly labels?: Record<string, string> | null;
  readonly cacheFrom?: readonly string[];
  readonly cacheTo?: readonly string[];
  readonly context: string;
  readonly dockerfile?: string;
  readonly load: boolean;
  readonly push?: boolean;
  readonly output?: string;
  readonly ociLayoutDir?: string;
  readonly metadataFile: string;
  readonly platforms?: readonly string[] | null;
  readonly tags: readonly string[] | null;
  readonly target?: string;
}

function argumentsOf(step: OriginalStep): readonly string[] {
  const isElsewhere = step.load || step.push === true;
  const args = buildxBuildArgs({
    context: step.context === "" ? "." : step.context,
    dockerfile: step.dockerfile || undefined,
    metadataFile: step.metadataFile || undefined,
    options: {
      tags: step.tags ?? [],
      target: step.target || undefined,
      platforms: step.platforms ?? undefined,
      buildArgs: step.buildArgs ?? {},
      labels: step.labels ?? {},
      output: {
        load: step.load,
        push: step.push,
        ociLayout: step.ociLayoutDir,
        directory: step.output === "local" && !isElsewhere ? "." : undefined,
      },
      cache: {
        imports: (step.cacheFrom ?? []).map((text) => cacheRefOf(text, "import")),
        exports: (step.cacheTo ?? []).map((text) => cacheRefOf(text, "export")),
      },
    },
  });
  return ["buildx", ...args];
}

function cacheRefOf(text: string, direction: CacheRef["direction"]): CacheRef {
  const fields = Object.fromEntries(text.split(",").map((field) => field.split("=")));
  return { type: fields.type, ref: fields.ref, mode: fields.mode, direction } as CacheRef;
}

function digestOf(text: string): { digest: string; error: string | null } {
  try {
    return { digest: parseMetadataDigest(text), error: null };
  } catch (error) {
    const { message } = error as Error;
    return { digest: "", error: /cannot be used: (.*)\.$/.exec(message)?.[1] ?? message };
  }
}

/** `branches.main=^main$, git_tags.stable=…` */
function policiesOf(text: string): Parameters<typeof isTargetAllowed>[0]["policies"] {
  const of = (kind: string): Record<string, string> =>
    Object.fromEntries(
      [...text.matchAll(/(\w+)\.(\w+)=(\S+?)(?:, |$)/g)]
        .filter(([, found]) => found === kind)
        .map(([, , name = "", pattern = ""]) => [name, pattern]),
    );
  return { branches: of("branches"), gitTags: of("git_tags") };
}

const EVERYTHING: Pick<
  BackendCapabilities,
  "load" | "push" | "multiPlatform" | "multiPlatformLoad" | "ociLayout"
> = { load: true, push: true, multiPlatform: true, multiPlatformLoad: true, ociLayout: true };

function planOf(what: string): unknown {
  const isMulti = what.startsWith("multi platform");
  const hasRegistries = what !== "no registry";
  const platforms = isMulti ? ["linux/amd64", "linux/arm64"] : ["linux/amd64"];
  const tags = hasRegistries ? ["r.io/o/app:v1", "r.io/o/app:latest"] : ["stagefreight:dev"];
  const request = {
    platforms,
    hasRegistries,
    local: what.endsWith("--local"),
    capabilities: EVERYTHING,
  };
  const { output, strategy } = planOutput(request);
  if (request.local) {
    const capabilities = { ...EVERYTHING, multiPlatformLoad: false };
    expect(() => planOutput({ ...request, capabilities })).toThrow("cannot hold 2 platforms");
  }
  const cache = planCache({
    settings: parseCacheSettings(
      {
        mode: what.endsWith("shared cache") ? "shared" : "off",
        repository: "r.io/o/cache",
      },
      undefined,
    ),
    identity: { repositoryId: "r", branch: "b", defaultBranch: undefined },
    local: { kind: "unavailable", reason: "" },
  });
  return {
    cacheTo: cache.exports.map(({ ref }) => ref.replace(/:.*/, ":<branch>")),
    load: output.load === true,
    push: output.push === true,
    summary: summarizePlan({ builds: 1, platforms, tags: tags.length, strategy }),
    tags,
  };
}

async function execute(what: string): Promise<unknown> {
  const fails = what === "build fails";
  const hasRegistry = what.includes("+ registry");
  const tags = hasRegistry
    ? ["127.0.0.1:1/o/app:v1", "127.0.0.1:1/o/app:latest"]
    : ["stagefreight:dev"];
  const plan = planOutput({
    platforms: ["linux/amd64"],
    hasRegistries: hasRegistry,
    local: false,
    capabilities: EVERYTHING,
  });
  const { calls, error, named } = await buildWith({
    end: fails ? "failed" : "built",
    options: { tags, platforms: ["linux/amd64"], output: plan.output },
  });
  const commands = calls.map((args) =>
    args.map((arg, index) => (args[index - 1] === "--metadata-file" ? "<file>" : arg)),
  );
  if (fails) {
    expect(named).toEqual([]);
    return { commands, error: error?.code, reason: reasonOf(error), status: "failed" };
  }
  return {
    commands,
    tags: named,
    ...(plan.pushAfterwards ? { pushAfterwards: true } : {}),
    error: error ?? null,
    status: "success",
  };
}

const IMAGE = `sha256:${"a".repeat(64)}`;
const ENDED = {
  digest: "sha256:01",
  started: "2026-01-01T00:00:00Z",
  completed: "2026-01-01T00:00:01Z",
};

/** One build by a buildx that only remembers what it was asked, on an engine that only names images. */
async function buildWith(build: {
  readonly end?: "built" | "failed" | "without metadata";
  readonly options?: Partial<BuildOptions>;
  readonly progress?: object;
}): Promise<{
  readonly calls: readonly (readonly string[])[];
  readonly named: readonly string[];
  readonly events: Parameters<NonNullable<BuildOptions["onEvent"]>>[0][];
  readonly result: BuildResult | undefined;
  readonly error: ImageBuildError | undefined;
}> {
  const { end = "built" } = build;
  const calls: (readonly string[])[] = [];
  const named: string[] = [];
  const events: Parameters<NonNullable<BuildOptions["onEvent"]>>[0][] = [];
  const version = parse("0.13.1");
  if (version === null) throw new Error("no version");
  const buildx: Buildx = {
    settings: { command: { file: "buildx", args: [] }, env: {} },
    version: () => Promise.resolve(version),
    async run({ args, onStderr }) {
      calls.push(args);
      onStderr?.(Buffer.from(JSON.stringify(build.progress ?? {})));
      const path = args[args.indexOf("--metadata-file") + 1] ?? "";
      if (end === "built")
        await writeFile(path, JSON.stringify({ "containerimage.digest": IMAGE }));
      const output = { stdout: Buffer.alloc(0), stderr: "" };
      return end === "failed"
        ? { kind: "failed", status: "exit code 1", exitCode: 1, ...output }
        : { kind: "exited", ...output };
    },
  };
  const images = {
    inspect: (id: string) => Promise.resolve({ id }),
    tag: (_: string, tag: string) => Promise.resolve(void named.push(tag)),
  };
  await using directory = await directoryOf({ Dockerfile: "FROM scratch\n" });
  const builder = createImageBuilder({
    engine: { images } as unknown as DockerEngine,
    buildx,
    backend: backendOf("docker", "sf-builder"),
  });
  try {
    const result = await builder.build({
      context: { kind: "directory", path: directory.path },
      tags: ["stagefreight:dev"],
      onEvent: (event) => events.push(event),
      ...build.options,
    });
    return { calls, named, events, result, error: undefined };
  } catch (error) {
    return { calls, named, events, result: undefined, error: error as ImageBuildError };
  }
}

function reasonOf(error: ImageBuildError | undefined): unknown {
  return error?.details["reason"];
}
