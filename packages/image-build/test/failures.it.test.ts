import { stripControlCharacters, type BuildEvent } from "@molecule-ai/core";
import type { DockerEngine } from "@molecule-ai/docker-engine";
import { cleanupEngine, findBuildx, findTestEngine, uniqueName } from "@molecule-ai/testkit";
import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createImageBuilder } from "../src/create-image-builder.js";
import { ImageBuildError } from "../src/errors.js";
import { createPlainProgress } from "../src/progress/plain-progress.js";
import { backendOf, openTestBuildx, type TestBuildx } from "./buildx-setup.js";
import { directoryOf, engineAt } from "./setup.js";

const found = await findTestEngine();
const program = await findBuildx();
const socketPath = found.socketPath ?? "";
const run = uniqueName("failures");
const label = `molecule.test.run=${run}`;
const BASE = `FROM molecule-test/busybox:latest\nLABEL ${label}\n`;

let engine: DockerEngine;
let tools: TestBuildx | undefined;

beforeAll(async () => {
  if (found.skip !== undefined) return;
  engine = await engineAt(socketPath);
  if (program.file !== undefined) {
    tools = await openTestBuildx(program.file, `unix://${socketPath}`);
  }
});
afterAll(async () => {
  await tools?.[Symbol.asyncDispose]();
  if (found.skip !== undefined) return;
  await engine[Symbol.asyncDispose]();
  await cleanupEngine(socketPath, label);
});

const WAYS = ["the engine's BuildKit", "the classic builder", "buildx"] as const;

const fixture = (name: string): Promise<string> =>
  readFile(new URL(`./fixtures/errors/${name}.txt`, import.meta.url), "utf8");

describe.skipIf(found.skip !== undefined || program.skip !== undefined).each(WAYS)(
  "a build that fails in %s",
  (way) => {
    const fail = async (
      instruction: string,
      files: Readonly<Record<string, string>> = {},
    ): Promise<ImageBuildError> => {
      await using directory = await directoryOf({
        Dockerfile: `${BASE}${instruction}\n`,
        ...files,
      });
      const backend = way === "the classic builder" ? "classic" : "auto";
      const builder = createImageBuilder({
        engine,
        ...(way === "buildx"
          ? { buildx: tools?.buildx, backend: backendOf("docker", "default") }
          : { backend }),
      });
      const error = await builder
        .build({
          context: { kind: "directory", path: directory.path },
          tags: [`molecule-test/${run}:1`],
          labels: { "molecule.test.run": run },
          noCache: true,
        })
        .catch((thrown: unknown) => thrown);
      if (!(error instanceof ImageBuildError)) throw new Error("it did not fail as a build does");
      return error;
    };

    it.each([
      ["RUN nosuchprogram", "shell", /nosuchprogram: not found/, /does not exist in the image/],
      ["RUN if true", "shell", /syntax error/, /The shell cannot read/],
      ["RUN wget http://nosuch.invalid/x", "wget", /bad address/, /cannot reach the network/],
      ["RUN echo x > /dev/full", "disk", /No space left/i, /disk is full/],
      ["RUN exit 137", "docker", /137/, /want of memory/],
      ["COPY nothing /x", "docker", /not found|no such file|no source files/i, /\.dockerignore/],
    ])("%s: names tool, reason, line and what to do", async (instruction, tool, message, hint) => {
      const { failure, hint: advice } = await fail(instruction);
      expect(failure?.entries[0]).toMatchObject({
        tool,
        message: expect.stringMatching(message) as string,
        dockerfileLine: 3,
        instruction,
      });
      expect(advice).toMatch(hint);
    });

    it("finds each error of a compiler", async () => {
      const said = await fixture("gcc-12.2.0-compile");
      const { failure } = await fail("COPY said /said\nRUN cat /said >&2; exit 1", { said });
      expect(failure?.entries).toMatchObject([
        { tool: "gcc", file: "main.c", line: 3, col: 17, dockerfileLine: 4 },
        { tool: "gcc", file: "main.c", line: 4, col: 11, dockerfileLine: 4 },
      ]);
    });

    it("always has something to show", async () => {
      const { failure } = await fail("RUN false");
      expect(failure?.entries.length).toBeGreaterThan(0);
      expect(failure?.exitCode).toBe(1);
    });
  },
);

describe.skipIf(found.skip !== undefined || program.skip !== undefined)(
  "the text that buildx prints",
  () => {
    it("tells which step failed, its lines and its exit code", async () => {
      await using directory = await directoryOf({
        Dockerfile: `${BASE}RUN echo one; echo two; nosuchprogram\n`,
      });
      const events: BuildEvent[] = [];
      const progress = createPlainProgress({
        emit: (event) => events.push(event),
        clean: stripControlCharacters,
        tailLines: 20,
      });
      await tools?.buildx.run({
        args: ["build", "--progress=plain", "--no-cache", directory.path],
        onStderr: (chunk) => progress.accept(chunk),
        signal: AbortSignal.timeout(60_000),
      });
      expect(progress.finish()).toMatchObject({
        failure: { exitCode: 127 },
        failedStep: {
          name: "[2/2] RUN echo one; echo two; nosuchprogram",
          // The two streams come on two ways.
          lastLines: expect.arrayContaining([
            "one",
            "two",
            "/bin/sh: nosuchprogram: not found",
          ]) as string[],
        },
        steps: 1,
        cachedSteps: 0,
      });
      expect(events).toContainEqual(
        expect.objectContaining({ type: "build.vertex", status: "failed" }),
      );
    });
  },
);
