import { describe, expect, it } from "vitest";
import type { FailedStep } from "../progress/build-progress.js";
import { explainBuildxFailure } from "./buildx-failure.js";

const step = (name: string, error: string): FailedStep => ({ id: "s", name, error, lastLines: [] });

function explain(message: string | undefined, failedStep?: FailedStep, stderr = ""): unknown {
  return explainBuildxFailure({
    outcome: {
      imageId: undefined,
      failure: message === undefined ? undefined : { message, exitCode: undefined },
      failedStep,
      steps: 1,
      cachedSteps: 0,
    },
    status: "exit code 1",
    stderr,
    subject: "Build of a:1",
    tags: ["r.io/a:1", "r.io/a:2"],
    backend: { builder: "b" },
    dockerfile: "Dockerfile",
    outline: undefined,
    clean: (text) => text,
  });
}

/** The messages are those of buildx 0.13 with BuildKit 0.8 and 0.13. */
describe("a build that buildx gave up", () => {
  it.each([
    ['no builder "x" found', "ERR_BUILDER"],
    [
      "Multi-platform build is not supported for the docker driver.\nSwitch to a different driver",
      "ERR_BUILD_BACKEND",
    ],
    ["unknown flag: --call", "ERR_BUILD_BACKEND"],
    ['failed to solve: exporter "docker" could not be found', "ERR_BUILD_BACKEND"],
    [
      "failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF",
      "ERR_BUILD_ENGINE_LOST",
    ],
    ["Cannot connect to the Docker daemon at unix:///x. Is it running?", "ERR_BUILD_ENGINE_LOST"],
    ["failed to solve: failed to push r.io/a:1: denied", "ERR_PUSH_FAILED"],
    ["invalid reference format", "ERR_BUILDX_FAILED"],
    ["failed to solve: target stage x could not be found", "ERR_BUILD_FAILED"],
    [undefined, "ERR_BUILDX_FAILED"],
  ])("that said %j is %s", (message, code) => {
    expect(explain(message)).toMatchObject({ code, hint: expect.any(String) as string });
  });

  it("is about the step when a command failed, whatever the command is called", () => {
    const failed = step(
      "[2/2] RUN echo 'no builder \"x\" found; unknown flag: -x; code = Unavailable'; exit 3",
      "executor failed running [… unknown flag: code = Unavailable]: exit code: 3",
    );
    expect(explain(`failed to solve: ${failed.error}`, failed)).toMatchObject({
      code: "ERR_BUILD_FAILED",
      failure: { exitCode: 3 },
    });
  });

  it("is about the base image when its registry cannot be reached", () => {
    const failed = step(
      "[internal] load metadata for r.io/a:1",
      'failed to do request: Head "https://r.io/v2/a/manifests/1": dial tcp: lookup r.io: no such host',
    );
    expect(explain(`failed to solve: ${failed.error}`, failed)).toMatchObject({
      code: "ERR_BUILD_BASE_IMAGE",
    });
  });

  it("is about the push when everything was built, and says which tag", () => {
    const failed = step("pushing r.io/a:2 with docker", "denied: requested access is denied");
    expect(explain(failed.error, failed)).toMatchObject({
      code: "ERR_PUSH_FAILED",
      tag: "r.io/a:2",
      failureClass: "credentials",
      remaining: ["r.io/a:1", "r.io/a:2"],
    });
  });

  it("always says something, and never the progress itself", () => {
    const error = explain(undefined, undefined, '{\n  "vertexes": []\n}\npanic: at the end\n');
    expect(error).toMatchObject({
      message: "Build of a:1: buildx ended with exit code 1: panic: at the end",
    });
    expect(explain(undefined)).toMatchObject({
      message: "Build of a:1: buildx ended with exit code 1: exit code 1",
    });
  });
});
