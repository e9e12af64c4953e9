import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  findBase,
  findClassicStep,
  findStep,
  outlineDockerfile,
  parseStepName,
  type DockerfileOutline,
  type StepName,
} from "./dockerfile-outline.js";

const outline = (text: string): DockerfileOutline => outlineDockerfile(text) as DockerfileOutline;
const step = (name: string): StepName => parseStepName(name) as StepName;

const TWO_STAGES = `# syntax=docker/dockerfile:1
ARG BASE=python:3
FROM \${BASE} AS Build
ENV A=1
RUN echo \\
  # a comment between
  one
WORKDIR /src

FROM alpine
COPY --from=build /src /src
RUN <<EOF
set -e
echo two
EOF
RUN echo \${A}
`;

describe("outlineDockerfile", () => {
  it("knows lines, stages, continuations and heredocs", () => {
    const found = outline(TWO_STAGES);
    expect(found.syntax).toBe("docker/dockerfile:1");
    expect(found.instructions.map(({ keyword, line }) => `${line} ${keyword}`)).toEqual([
      "2 ARG",
      "3 FROM",
      "4 ENV",
      "5 RUN",
      "8 WORKDIR",
      "10 FROM",
      "11 COPY",
      "12 RUN",
      "16 RUN",
    ]);
    expect(found.stages).toMatchObject([
      { name: "build", base: "${BASE}" },
      { name: undefined, base: "alpine" },
    ]);
    expect(found.instructions[3]?.text).toBe("RUN echo one");
  });

  it("never throws", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "FROM a AS b",
        "RUN <<EOF",
        "EOF",
        "RUN x \\",
        "# syntax=x",
        "COPY --a=",
        "ONBUILD RUN x",
      ),
    );
    fc.assert(
      fc.property(fc.array(line), fc.string({ unit: "binary" }), (lines, name) => {
        const found = outlineDockerfile(lines.join("\n"));
        const parsed = parseStepName(name);
        if (found === undefined || parsed === undefined) return;
        findStep(found, parsed);
        findBase(found, name);
      }),
    );
  });
});

describe("parseStepName", () => {
  it.each([
    ["[2/5] RUN x", { stage: "", index: 2, total: 5, text: "RUN x" }],
    ["[ 2/15] RUN x", { stage: "", index: 2, total: 15, text: "RUN x" }],
    ["[base  2/15] RUN x", { stage: "base", index: 2, total: 15, text: "RUN x" }],
    ["[linux/amd64 stage-1 2/5] COPY a b", { stage: "stage-1", index: 2, total: 5 }],
    ["[1/1] RUN a\nb", { text: "RUN a\nb" }],
  ])("reads %j", (name, expected) => {
    expect(parseStepName(name)).toMatchObject(expected);
  });

  it.each([
    "[internal] load metadata for docker.io/library/a:1",
    "exporting to image",
    "",
    "[2/5]x",
  ])("sees no instruction in %j", (name) => {
    expect(parseStepName(name)).toBeUndefined();
  });
});

describe("findStep", () => {
  const found = outline(TWO_STAGES);

  it.each([
    ["[build 1/3] FROM docker.io/library/python:3", 3],
    ["[build 2/3] RUN echo   one", 5],
    ["[build 3/3] WORKDIR /src", 8],
    ["[stage-1 1/4] FROM docker.io/library/alpine", 10],
    ["[stage-1 2/4] COPY --from=build /src /src", 11],
    ["[stage-1 3/4] RUN <<EOF (set -e...)", 12],
    ["[stage-1 4/4] RUN echo filled in", 16],
  ])("%s is on line %i", (name, line) => {
    expect(findStep(found, step(name))?.line).toBe(line);
  });

  it("does not count FROM scratch", () => {
    const scratch = outline("FROM scratch\nCOPY a /\nRUN x\n");
    expect(findStep(scratch, step("[2/2] RUN x"))?.line).toBe(3);
  });

  it("falls back to the text, and only if it is the only such one, when a base image adds steps", () => {
    const base = outline("FROM a\nRUN one\nRUN two\nRUN two\n");
    expect(findStep(base, step("[4/7] RUN one"))?.line).toBe(2);
    expect(findStep(base, step("[5/7] RUN two"))).toBeUndefined();
  });

  it("names no instruction of another kind", () => {
    expect(findStep(outline("FROM a\nRUN one\n"), step("[2/2] COPY b c"))).toBeUndefined();
  });
});

describe("findClassicStep", () => {
  it("counts every instruction, as that builder does", () => {
    const found = outline(TWO_STAGES);
    expect(findClassicStep(found, { index: 7, text: "COPY --from=build /src /src" })?.line).toBe(
      11,
    );
    expect(findClassicStep(found, { index: 7, text: "RUN x" })).toBeUndefined();
    expect(findClassicStep(found, { index: 99, text: "RUN x" })).toBeUndefined();
  });
});

describe("findBase", () => {
  it.each([
    ["FROM a\n", "docker.io/library/a:latest", 1],
    ["FROM a AS x\nFROM b:2\n", "docker.io/library/b:2", 2],
    ["FROM b:2@sha256:00\n", "docker.io/library/b:2@sha256:00", 1],
    ["FROM localhost:5000/a:1\n", "localhost:5000/a:1", 1],
    ["ARG V\nFROM a:$V\n", "docker.io/library/a:3", 2],
  ])("in %j, %s is on line %i", (text, reference, line) => {
    expect(findBase(outline(text), reference)?.line).toBe(line);
  });

  it("guesses no line", () => {
    expect(findBase(outline("FROM a:$A\nFROM b:$B\n"), "docker.io/library/c:1")).toBeUndefined();
  });
});
