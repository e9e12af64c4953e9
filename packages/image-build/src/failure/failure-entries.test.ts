import { readFileSync } from "node:fs";
import { createRedactor } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { outlineDockerfile } from "../dockerfile/dockerfile-outline.js";
import type { ImageBuildError } from "../errors.js";
import { createPlainProgress } from "../progress/plain-progress.js";
import { explainFailure } from "./build-failure.js";

/** What a build of that Dockerfile becomes that printed `text`. */
function explain(dockerfile: string | undefined, text: string): ImageBuildError {
  const redactor = createRedactor(["hunter2-hunter2"]);
  const clean = (dirty: string): string => redactor.redact(dirty);
  const progress = createPlainProgress({ emit: () => {}, clean, tailLines: 3 });
  progress.accept(text);
  const { failure, ...outcome } = progress.finish();
  if (failure === undefined) throw new Error("the build did not fail");
  return explainFailure(
    { ...outcome, failure },
    {
      backend: "buildkit",
      dockerfile: "docker/Dockerfile",
      outline: dockerfile === undefined ? undefined : outlineDockerfile(dockerfile),
      pullFailures: new Map(),
      clean,
    },
  );
}

const recorded = (name: string): string =>
  readFileSync(new URL(`../../test/fixtures/errors/${name}.txt`, import.meta.url), "utf8");

const DOCKERFILE = "FROM scratch\nCOPY busybox /bin/sh\n\nRUN make\n";

/** As buildx shows it when `RUN make` of that Dockerfile printed these lines. */
const makeSaid = (output: string, end = "exit code: 2"): string =>
  [
    "#5 [2/2] RUN make",
    ...output
      .trimEnd()
      .split("\n")
      .map((line) => `#5 0.100 ${line}`),
    `#5 ERROR: process "/bin/sh -c make" did not complete successfully: ${end}`,
    `ERROR: failed to solve: process "/bin/sh -c make" did not complete successfully: ${end}`,
  ].join("\n");

describe("a failed build's entries", () => {
  it("name file and line of the tool, and instruction and line of the Dockerfile", () => {
    const { failure, details } = explain(DOCKERFILE, makeSaid(recorded("make-4.3-compile")));
    expect(failure?.entries[0]).toEqual({
      tool: "gcc",
      file: "main.c",
      line: 3,
      col: 17,
      message: "‘y’ undeclared (first use in this function)",
      raw: "main.c:3:17: error: ‘y’ undeclared (first use in this function)",
      instruction: "RUN make",
      dockerfileLine: 4,
    });
    expect(details["entries"]).toEqual(failure?.entries);
  });

  it("find an error far above the lines that are shown", () => {
    const noise = Array.from({ length: 300 }, (_, index) => `note ${index}`).join("\n");
    const { failure } = explain(DOCKERFILE, makeSaid(`a.c:1:2: error: first\n${noise}`));
    expect(failure?.entries).toMatchObject([{ tool: "gcc", file: "a.c" }]);
    expect(failure?.lastLines).toEqual(["note 297", "note 298", "note 299"]);
  });

  it("are the builder's reason when the step printed nothing, and the hint follows the exit code", () => {
    const { failure, hint } = explain(DOCKERFILE, makeSaid("", "exit code: 137"));
    expect(failure?.entries).toMatchObject([{ tool: "docker", dockerfileLine: 4 }]);
    expect(hint).toMatch(/want of memory/);
  });

  it("put a syntax error at its line", () => {
    const { code, failure } = explain(
      "FROM scratch\nCOPPY a b\n",
      recorded("buildx-0.13.1-dockerfile-syntax"),
    );
    expect(code).toBe("ERR_BUILD_SYNTAX");
    expect(failure?.entries).toMatchObject([
      {
        file: "docker/Dockerfile",
        line: 2,
        message: "unknown instruction: COPPY",
        dockerfileLine: 2,
        instruction: "COPPY a b",
      },
    ]);
  });

  it("take the line from the builder when the Dockerfile was not read", () => {
    const { failure, message } = explain(
      undefined,
      [
        "#5 [2/2] RUN make",
        "#5 ERROR: process did not complete successfully: exit code: 2",
        "------",
        " > [2/2] RUN make:",
        "------",
        "Dockerfile:7",
        "--------------------",
        "   7 | >>> RUN make",
        "--------------------",
        "ERROR: failed to solve: process did not complete successfully: exit code: 2",
      ].join("\n"),
    );
    expect(failure).toMatchObject({ line: 7, entries: [{ dockerfileLine: 7 }] });
    expect(message).toBe("RUN make (docker/Dockerfile line 7) failed with exit code 2");
  });

  it.each([
    ["buildx-0.13.1-busybox-wget-dns", /cannot reach the network/],
    ["buildx-0.13.1-busybox-sh-not-found", /does not exist in the image/],
    ["buildx-0.13.1-busybox-sh-syntax", /The shell cannot read/],
    ["buildx-0.13.1-exec-format", /another CPU/],
    ["buildx-0.13.1-disk-full", /disk is full/],
    ["buildx-0.13.1-not-executable", /chmod/],
    ["buildx-0.13.1-copy-missing", /\.dockerignore/],
    ["buildx-0.13.1-killed-silent", /want of memory/],
  ])("%s: the hint fits", (name, hint) => {
    expect(explain(undefined, recorded(name)).hint).toMatch(hint);
  });

  it.each([
    ["pip-23.2.1-no-version", /pip finds no such version/],
    ["npm-11.19.1-ci-no-lock", /package-lock\.json/],
    ["apt-2.6.1-unknown-package", /apt-get update/],
    ["gcc-12.2.0-missing-header", /header is not in the image/],
    ["curl-7.88.1-dns", /cannot reach the network/],
  ])("%s: the hint of the tool is the hint of the failure", (name, hint) => {
    expect(explain(DOCKERFILE, makeSaid(recorded(name))).hint).toMatch(hint);
  });

  it("hold no secret", () => {
    const error = explain(DOCKERFILE, makeSaid("a.c:1:2: error: hunter2-hunter2"));
    expect(JSON.stringify([error.message, error.failure, error.details])).not.toContain("hunter2");
  });
});
