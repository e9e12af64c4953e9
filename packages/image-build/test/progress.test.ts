import type { BuildEvent } from "@molecule-ai/core";
import { readJsonStream } from "@molecule-ai/docker-engine";
import { createReadStream } from "node:fs";
import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  explainFailure,
  explainRefusal,
  type FailureContext,
} from "../src/failure/build-failure.js";
import type { BuildOutcome, BuildProgress } from "../src/progress/build-progress.js";
import { createBuildkitProgress } from "../src/engine/buildkit-progress.js";
import { createClassicProgress } from "../src/engine/classic-progress.js";
import { outlineDockerfile } from "../src/dockerfile/dockerfile-outline.js";
import type { ImageBuildError } from "../src/errors.js";

type Backend = "buildkit" | "classic";

const clean = (text: string): string => text;

function follow(backend: Backend): { progress: BuildProgress; events: BuildEvent[] } {
  const events: BuildEvent[] = [];
  const options = {
    emit: (event: BuildEvent): void => void events.push(event),
    clean,
    tailLines: 2,
  };
  let time = 0;
  const progress =
    backend === "buildkit"
      ? createBuildkitProgress(options)
      : createClassicProgress({ ...options, now: () => (time += 5) });
  return { progress, events };
}

const fixture = (backend: Backend, name: string): string =>
  new URL(`./fixtures/${backend}-20.10.24-${name}.ndjson`, import.meta.url).pathname;

/** What the captured answer of a real engine becomes. */
async function replay(
  backend: Backend,
  name: string,
): Promise<{ outcome: BuildOutcome; events: BuildEvent[] }> {
  const { progress, events } = follow(backend);
  const stream = createReadStream(fixture(backend, name));
  for await (const message of readJsonStream(stream, { subject: name })) progress.accept(message);
  return { outcome: progress.finish(), events };
}

const contextOf = (backend: Backend, dockerfile: string): FailureContext => ({
  backend,
  dockerfile: "Dockerfile",
  outline: outlineDockerfile(dockerfile),
  pullFailures: new Map(),
  clean,
});

async function explain(
  backend: Backend,
  name: string,
  dockerfile: string,
): Promise<ImageBuildError> {
  const { outcome } = await replay(backend, name);
  if (outcome.failure === undefined) throw new Error("the build did not fail");
  return explainFailure({ ...outcome, failure: outcome.failure }, contextOf(backend, dockerfile));
}

const vertexes = (events: BuildEvent[]): string[] =>
  events.flatMap((event) =>
    event.type === "build.vertex" ? [`${event.status} ${event.name}`] : [],
  );
const logs = (events: BuildEvent[]): string[] =>
  events.flatMap((event) => (event.type === "build.log" ? [`${event.stream}: ${event.line}`] : []));

describe.each<Backend>(["buildkit", "classic"])("the stream of the %s builder", (backend) => {
  it("becomes steps that start and end, output by line, and an image", async () => {
    const { outcome, events } = await replay(backend, "success");
    expect(outcome).toMatchObject({
      imageId: expect.stringMatching(/^sha256:[0-9a-f]{64}$/) as string,
      failure: undefined,
      failedStep: undefined,
      steps: 3,
      cachedSteps: 0,
    });
    const steps = vertexes(events);
    for (const name of ["[3/4] WORKDIR /w", "[4/4] COPY a.txt ."]) {
      expect(steps.indexOf(`started ${name}`)).toBeGreaterThanOrEqual(0);
      expect(steps.indexOf(`completed ${name}`)).toBeGreaterThan(steps.indexOf(`started ${name}`));
    }
    expect(new Set(steps).size).toBe(steps.length);
    expect(logs(events).toSorted()).toEqual([
      "stderr: err",
      "stdout: half",
      "stdout: one",
      "stdout: two",
    ]);
  });

  it("becomes the instruction that failed, its line, its exit code and its last lines", async () => {
    const dockerfile = "FROM molecule-test/busybox:latest AS base\nRUN echo one && \\\n  exit 3\n";
    const error = await explain(backend, "failing-run", dockerfile);
    expect(error).toMatchObject({
      code: "ERR_BUILD_FAILED",
      message: "RUN echo one && exit 3 (Dockerfile line 2) failed with exit code 3",
      failure: {
        dockerfile: "Dockerfile",
        instruction: "RUN echo one && exit 3",
        line: 2,
        exitCode: 3,
        lastLines: ["one"],
      },
    });
  });

  it("becomes the COPY whose source is missing", async () => {
    const dockerfile = "FROM molecule-test/busybox:latest\nCOPY nope /x\n";
    const error = await explain(backend, "missing-source", dockerfile);
    expect(error).toMatchObject({
      code: "ERR_BUILD_FAILED",
      failure: { line: 2, instruction: "COPY nope /x", exitCode: undefined },
      hint: expect.stringContaining(".dockerignore") as string,
    });
  });

  it("becomes the base image that cannot be had", async () => {
    const error = await explain(backend, "missing-base", "ARG X=1\nFROM 127.0.0.1:1/nope:x\n");
    expect(error).toMatchObject({
      code: "ERR_BUILD_BASE_IMAGE",
      message: expect.stringContaining("127.0.0.1:1/nope:x (Dockerfile line 2)") as string,
      failure: { line: 2 },
    });
  });

  it("takes any messages without throwing", () => {
    const message = fc.oneof(
      fc.anything(),
      fc.record(
        {
          id: fc.constantFrom("moby.buildkit.trace", "moby.image.id", "x"),
          aux: fc.oneof(fc.base64String(), fc.anything()),
          stream: fc.oneof(
            fc.string({ unit: "binary" }),
            fc.constantFrom(
              "Step 1/2 : FROM x",
              " ---> Running in 0",
              "STEP 2/2: RUN y",
              " ---> Using cache",
            ),
          ),
          status: fc.string(),
          progressDetail: fc.anything(),
          error: fc.anything(),
          errorDetail: fc.anything(),
        },
        { requiredKeys: [] },
      ),
    );
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const { progress } = follow(backend);
        for (const each of messages) progress.accept(each);
        const outcome = progress.finish();
        const { failure } = outcome;
        if (failure === undefined) return;
        expect(
          explainFailure({ ...outcome, failure }, contextOf(backend, "FROM x\n")),
        ).toMatchObject({
          code: expect.stringMatching(/^ERR_BUILD_/) as string,
        });
      }),
    );
  });
});

describe("a syntax error", () => {
  const dockerfile = "FROM molecule-test/busybox:latest\nBOGUS x\n";

  it("is told apart by BuildKit having run no step", async () => {
    expect(await explain("buildkit", "syntax", dockerfile)).toMatchObject({
      code: "ERR_BUILD_SYNTAX",
      message: expect.stringContaining("Dockerfile (line 2)") as string,
      failure: { line: 2, instruction: "BOGUS x" },
    });
  });

  it("is a refusal by the classic builder", async () => {
    const { message } = JSON.parse(await readFile(fixture("classic", "syntax"), "utf8")) as {
      message: string;
    };
    const cause = new Error("400");
    expect(explainRefusal(message, contextOf("classic", dockerfile), cause)).toMatchObject({
      code: "ERR_BUILD_SYNTAX",
      failure: { line: 2, instruction: "BOGUS x" },
      cause,
    });
  });
});

describe("BuildKit's trace", () => {
  it("is not what the result depends on: one that cannot be read warns, once", () => {
    const { progress, events } = follow("buildkit");
    const id = `sha256:${"a".repeat(64)}`;
    progress.accept({ id: "moby.buildkit.trace", aux: "/////w==" });
    progress.accept({ id: "moby.buildkit.trace", aux: "/////w==" });
    progress.accept({ id: "moby.image.id", aux: { ID: id } });
    expect(events).toMatchObject([{ type: "warning", code: "WARN_BUILD_TRACE" }]);
    expect(progress.finish()).toMatchObject({ imageId: id });
  });
});

describe("the output of a step in the classic builder", () => {
  it("cannot name the image", () => {
    const { progress } = follow("classic");
    progress.accept({ stream: "Step 1/1 : RUN x" });
    progress.accept({ stream: " ---> Running in 0123456789ab\n" });
    progress.accept({ stream: "Successfully built 0123456789ab\n" });
    const id = `sha256:${"a".repeat(64)}`;
    progress.accept({ aux: { ID: id } });
    expect(progress.finish().imageId).toBe(id);
  });
});

describe("advice", () => {
  const failing = (lines: string, exitCode: number, instruction = "RUN x"): string | undefined => {
    const outcome = {
      imageId: undefined,
      steps: 1,
      cachedSteps: 0,
      failure: { message: "failed", exitCode },
      failedStep: {
        id: "1",
        name: `[2/2] ${instruction}`,
        error: `process did not complete successfully: exit code: ${exitCode}`,
        lastLines: lines.split("\n"),
      },
    };
    return explainFailure(outcome, contextOf("buildkit", `FROM a\n${instruction}\n`)).hint;
  };

  it.each([
    ["", 127, "does not exist"],
    ["", 126, "chmod"],
    ["Killed", 137, "memory"],
    ["E: Unable to locate package jq", 100, "apt-get update"],
    ["Temporary failure resolving 'deb.debian.org'", 100, "network"],
    ["npm error code EAI_AGAIN", 1, "network"],
    ["ERROR: No matching distribution found for nope", 1, "pip"],
    ["npm error code ERESOLVE", 1, "npm"],
    ["cp: write error: No space left on device", 1, "disk is full"],
    ["exec /bin/sh: exec format error", 1, "another CPU"],
    ["something else", 1, "last lines"],
  ])("on %j with exit code %i speaks of %s", (lines, exitCode, word) => {
    expect(failing(lines, exitCode)).toContain(word);
  });
});
