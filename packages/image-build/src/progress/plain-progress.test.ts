import { readFileSync } from "node:fs";
import { createRedactor, stripControlCharacters, type BuildEvent } from "@molecule-ai/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BuildOutcome } from "./build-progress.js";
import { createPlainProgress, parsePlainProgress } from "./plain-progress.js";

function recorded(name: string): string {
  return readFileSync(
    new URL(`../../test/fixtures/plain/buildx-0.13.1-${name}.txt`, import.meta.url),
    "utf8",
  );
}

interface Followed {
  readonly events: BuildEvent[];
  readonly outcome: BuildOutcome;
}

function follow(pieces: Iterable<string | Uint8Array>, secrets: string[] = []): Followed {
  const events: BuildEvent[] = [];
  const redactor = createRedactor(secrets);
  const progress = createPlainProgress({
    emit: (event) => events.push(event),
    clean: (text) => redactor.redact(text),
    tailLines: 20,
  });
  for (const piece of pieces) progress.accept(piece);
  return { events, outcome: progress.finish() };
}

const logs = ({ events }: Followed, vertex?: string): string[] =>
  events
    .filter((event) => event.type === "build.log")
    .filter((event) => vertex === undefined || event.vertex === vertex)
    .map((event) => event.line);

const steps = ({ events }: Followed): string[] =>
  events
    .filter((event) => event.type === "build.vertex")
    .map(({ id, status }) => `${id} ${status}`);

describe("the progress of buildx as text", () => {
  it("tells steps, their output, times and the image of a whole build", () => {
    const followed = follow([recorded("success")]);
    expect(followed.outcome).toEqual({
      imageId: "sha256:7871b02989f6a49cd5b2f18aca2594f6b7a84d247a38caa4a7d23f490e6c96f6",
      failure: undefined,
      failedStep: undefined,
      steps: 12,
      cachedSteps: 0,
    });
    expect(logs(followed, "#5")).toEqual(["one", "b", "red", "err"]);
    expect(followed.events).toContainEqual({
      type: "build.vertex",
      id: "#6",
      name: "[stage-1 1/10] WORKDIR /x",
      status: "completed",
      durationMs: 0,
    });
    expect(followed.events).toContainEqual({
      type: "build.status",
      vertex: "#3",
      name: "transferring context",
      current: 1_980_000,
    });
  });

  it("counts what came from the cache", () => {
    const { outcome } = follow([recorded("cached")]);
    expect(outcome).toMatchObject({ steps: 12, cachedSteps: 12 });
  });

  it("names the step that failed, its last lines and exit code, and what was stopped for it", () => {
    const followed = follow([recorded("parallel-failure")]);
    expect(followed.outcome.failure?.exitCode).toBe(127);
    expect(followed.outcome.failure?.message).toMatch(/^failed to solve: executor failed running/);
    expect(followed.outcome.failedStep).toMatchObject({
      id: "#6",
      name: expect.stringMatching(/^\[b 2\/2\] RUN echo second/) as string,
      lastLines: ["second", "line 1", "line 2", "line 3", "/bin/sh: nosuchprogram: not found"],
    });
    expect(steps(followed)).toContain("#5 canceled");
  });

  it("takes the first of several failures", () => {
    const { outcome } = follow([recorded("two-failures")]);
    expect(outcome.failedStep?.name).toBe("http://127.0.0.1:1/x");
    expect(outcome.failure?.message).toContain("connection refused");
  });

  it("does not blame a cache that was not there", () => {
    const { outcome } = follow([
      "#3 importing cache manifest from r.example/a:c\n#3 ERROR: r.example/a:c: not found\n",
      "#4 [1/1] RUN x\n#4 ERROR: process did not complete: exit code: 1\n",
    ]);
    expect(outcome.failedStep?.id).toBe("#4");
  });

  it("tells of a Dockerfile that cannot be read, in which no step failed", () => {
    const { outcome } = follow([recorded("syntax")]);
    expect(outcome).toMatchObject({ failedStep: undefined, steps: 0 });
    expect(outcome.failure?.message).toMatch(/unknown instruction: COPPY$/);
  });

  it("tells the reason of a program that got no further", () => {
    expect(follow(['ERROR: no builder "nosuch" found']).outcome.failure).toEqual({
      message: 'no builder "nosuch" found',
      exitCode: undefined,
    });
  });

  it("follows steps that are shown in turns, also of several platforms", () => {
    const followed = follow([recorded("platforms")]);
    expect(logs(followed, "#7")).toEqual(["a"]);
    expect(steps(followed).filter((step) => step.startsWith("#7"))).toEqual([
      "#7 started",
      "#7 completed",
    ]);
    expect(followed.outcome).toMatchObject({ steps: 7, cachedSteps: 2 });
  });

  it("knows transfers with and without a total", () => {
    const { events } = follow([
      "#4 [1/2] FROM docker.io/library/busybox:1\n",
      "#4 sha256:0123 1.05MB / 2.22MB 0.2s\n#4 sha256:0123 1.05MB / 2.22MB 0.4s\n",
      "#4 extracting sha256:0123 0.1s done\n#9 exporting cache\n#9 writing layer 12B\n",
    ]);
    const seen = events.filter((event) => event.type === "build.status");
    expect(seen.map(({ name, current, total }) => [name, current, total])).toEqual([
      ["sha256:0123", 1_050_000, 2_220_000],
      ["extracting sha256:0123", 0, undefined],
      ["writing layer", 12, undefined],
    ]);
  });

  it("tells warnings of all forms", () => {
    const { events } = follow([
      "#1 [internal] load build definition\n#1 WARN: FromAsCasing: casing (line 1)\n",
      "WARNING: No output specified\n",
      "\n 1 warning found (use docker --debug to expand):\n - JSONArgsRecommended: CMD (line 3)\n\n - x\n",
    ]);
    const seen = events.filter((event) => event.type === "warning");
    expect(seen.map(({ message }) => message)).toEqual([
      "FromAsCasing: casing (line 1)",
      "No output specified",
      "JSONArgsRecommended: CMD (line 3)",
    ]);
  });

  it("does not take the output of a step for the builder's words", () => {
    const followed = follow([
      "#4 [1/2] RUN x\n#4 0.100 #5 DONE 3.0s\n#4 0.200 ERROR: x\n#4 0.300 CACHED\n#4 0.4 \n#4 DONE 1.5s\n",
    ]);
    expect(logs(followed)).toEqual(["#5 DONE 3.0s", "ERROR: x", "CACHED", ""]);
    expect(steps(followed)).toEqual(["#4 started", "#4 completed"]);
    expect(followed.outcome.failure).toBeUndefined();
  });

  it("masks secrets and removes control characters in all it tells", () => {
    const followed = follow(
      [
        "#4 [1/2] RUN hunter2-hunter2 \u001b[31m\n#4 0.1 hunter2-\u0007hunter2\n#4 hunter2-hunter2 1B\n",
        "#4 ERROR: hunter2-hunter2: exit code: 1\n",
      ],
      ["hunter2-hunter2"],
    );
    const told = JSON.stringify([followed.events, followed.outcome.failedStep?.lastLines]);
    expect(told).not.toContain("hunter2");
    expect(told).not.toContain("\\u00");
  });

  it("tells the same however the bytes are cut", () => {
    const whole = Buffer.concat([
      Buffer.from(recorded("parallel-failure").replaceAll("line 1", "línea 名前\r\n#6 0.4 x")),
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.from(recorded("platforms")),
    ]);
    const expected = follow([whole]);
    fc.assert(
      fc.property(fc.array(fc.nat(300), { minLength: 1 }), (sizes) => {
        const pieces: Buffer[] = [];
        for (let at = 0, i = 0; at < whole.length; i += 1) {
          const size = (sizes[i % sizes.length] ?? 0) + 1;
          pieces.push(whole.subarray(at, at + size));
          at += size;
        }
        expect(follow(pieces)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it("takes any bytes, and anything that is none", () => {
    const line = fc.oneof(
      fc.string(),
      fc.constantFrom("#1 ", "#1 CACHED", "#1 DONE 9.9s", "#1 ERROR: x", "------", " > [1/1] x:"),
      fc.constantFrom("#2 [a 1/2] RUN", "#99999999 x", "#2 0.1 x", "WARN: ", "Dockerfile:1"),
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(line, fc.uint8Array(), fc.anything())),
        fc.constantFrom("\n", "\r\n", ""),
        (messages, end) => {
          const progress = createPlainProgress({
            emit: () => {},
            clean: stripControlCharacters,
            tailLines: 3,
          });
          for (const message of messages) {
            progress.accept(typeof message === "string" ? message + end : message);
          }
          progress.finish();
        },
      ),
    );
  });

  it("stays fast and small on text made to hurt it", () => {
    const hurtful = [
      `#1 ${"[".repeat(1_000_000)}`,
      "#1 [ 1/".repeat(150_000),
      " ".repeat(1_000_000),
      `#1 x\n${"#1 sha256:a 1MB / 2MB 0.1s\n".repeat(40_000)}`,
      "------\n > [1/1] x:\n".repeat(50_000),
      "ERROR: x\n".repeat(100_000),
      `${Array.from({ length: 60_000 }, (_, index) => `#${index} name`).join("\n")}\n`,
    ];
    for (const text of hurtful) {
      const startedAt = performance.now();
      follow([text]);
      expect(performance.now() - startedAt).toBeLessThan(15_000);
    }
  });
});

describe("the layers of a text", () => {
  it("come stage by stage, in the order of their steps", () => {
    const layers = parsePlainProgress(recorded("cached"));
    expect(layers.map(({ stage, stageStep }) => `${stage} ${stageStep}`)).toEqual([
      ...Array.from({ length: 10 }, (_, index) => `stage-1 ${index + 1}/10`),
      "base 1/2",
      "base 2/2",
    ]);
    expect(layers.every(({ cached }) => cached)).toBe(true);
  });

  it("carry the platform, apart from the stage", () => {
    const layers = parsePlainProgress(recorded("platforms"));
    expect(layers).toContainEqual({
      stage: "builder",
      stageStep: "1/2",
      platform: "linux/amd64",
      instruction: "COPY",
      detail: "busybox /bin/sh",
      image: "",
      cached: false,
      durationMs: 0,
    });
  });

  it("count the triggers of a base image", () => {
    const layers = parsePlainProgress(recorded("onbuild"));
    expect(layers.map(({ stageStep, instruction }) => `${stageStep} ${instruction}`)).toEqual([
      "1/2 FROM",
      "2/2 RUN",
      "3/2 COPY",
      "4/2 RUN",
    ]);
    expect(layers[0]?.image).toBe("docker.io/library/molecule-onb-test:1");
  });
});
