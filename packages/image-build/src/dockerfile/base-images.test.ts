import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findBaseImages, type BaseImageOptions } from "./base-images.js";
import { outlineDockerfile, type DockerfileOutline } from "./dockerfile-outline.js";

const bases = (text: string, options: BaseImageOptions = {}): string[] =>
  findBaseImages(outlineDockerfile(text) as DockerfileOutline, options).map(
    ({ reference, platform, line }) =>
      `${line} ${reference}${platform === undefined ? "" : ` ${platform}`}`,
  );

describe("findBaseImages", () => {
  it.each<[string, BaseImageOptions, string[]]>([
    ["FROM python:3.11-slim\nRUN x\n", {}, ["1 python:3.11-slim"]],
    ["FROM scratch\nCOPY a /\n", {}, []],
    ["FROM a AS One\nFROM one\nRUN x\n", {}, ["1 a"]],
    ["FROM a AS unused\nFROM b\n", {}, ["2 b"]],
    ["FROM a AS x\nFROM b\nCOPY --chown=1 --from=X /a /b\n", {}, ["1 a", "2 b"]],
    ["FROM a\nFROM b\nCOPY --from=0 /a /b\n", {}, ["1 a", "2 b"]],
    ["FROM a\nCOPY --from=ghcr.io/x/uv:1 /uv /bin/\n", {}, ["1 a", "2 ghcr.io/x/uv:1"]],
    [
      "FROM a\nRUN --mount=type=bind,from=tools:1,target=/t echo --mount=from=no\n",
      {},
      ["1 a", "2 tools:1"],
    ],
    ["FROM a\nRUN echo --from=no\nCOPY x --from=no\n", {}, ["1 a"]],
    ["FROM a AS x\nFROM b AS y\nFROM c\n", { target: "Y" }, ["2 b"]],
    ["FROM a AS x\nFROM b AS y\nFROM c\n", { target: "0" }, ["1 a"]],
    ["ARG V=1\nFROM a:$V\n", {}, ["2 a:1"]],
    ["ARG V=1\nFROM a:${V}\n", { buildArgs: { V: "2" } }, ["2 a:2"]],
    ['ARG A="x" B=y\nARG C=${A}-$B\nFROM a:$C\n', {}, ["3 a:x-y"]],
    ["ARG V\nFROM a:${V:-3}\n", {}, ["2 a:3"]],
    ["ARG V=1\nFROM a${V:+:with}\n", {}, ["2 a:with"]],
    ["ARG V\nFROM a:$V\n", {}, []],
    ["FROM --platform=linux/arm64 a\n", {}, ["1 a linux/arm64"]],
    ["FROM --platform=$BUILDPLATFORM a\n", {}, []],
    ["# syntax=docker/dockerfile:1\nFROM a\n", {}, ["1 docker/dockerfile:1", "2 a"]],
    ["FROM a\nFROM a\nCOPY --from=0 x y\n", {}, ["1 a"]],
    ["FROM x AS x\nRUN y\n", {}, ["1 x"]],
  ])("of %j with %j: %j", (text, options, expected) => {
    expect(bases(text, options)).toEqual(expected);
  });

  it("never throws", () => {
    const line = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "FROM a AS b",
        "FROM b AS a",
        "COPY --from=b x y",
        "COPY --from=9 x y",
        "ARG A=$A",
        "FROM ${A:-$A}",
      ),
    );
    fc.assert(
      fc.property(fc.array(line), fc.option(fc.string(), { nil: undefined }), (lines, target) => {
        const outline = outlineDockerfile(lines.join("\n"));
        if (outline !== undefined) findBaseImages(outline, { target });
      }),
    );
  });
});
