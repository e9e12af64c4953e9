import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CliError } from "../errors.js";
import { parseAttributes, parsePairs } from "./attributes.js";
import { parseBuildArguments } from "./build-arguments.js";
import { parseBuildOutputs, parseCacheOption } from "./build-outputs.js";
import { parseBuildSecret, parseBuildSsh } from "./build-secrets.js";
import { parseBuildSource, parseNamedContext } from "./build-source.js";

const commit = "0123456789abcdef0123456789abcdef01234567";
const here = { cwd: "/work", env: { TOKEN: "s3cret", SSH_AUTH_SOCK: "/run/agent" } };
const INVALID = expect.objectContaining({ code: "ERR_CLI_OPTION_INVALID" });

describe("the context of a build", () => {
  it.each([
    [".", { kind: "directory", path: "/work" }],
    ["/abs/app", { kind: "directory", path: "/abs/app" }],
    ["a#b", { kind: "directory", path: "/work/a#b" }],
    [
      `https://git.example.com/app.git#${commit}`,
      { kind: "git", url: "https://git.example.com/app.git", commit },
    ],
    [
      `ssh://git@git.example.com/app#${commit}:sub/dir`,
      { kind: "git", url: "ssh://git@git.example.com/app", commit, subdirectory: "sub/dir" },
    ],
  ])("%s", (text, expected) => {
    expect(parseBuildSource(text, "/work")).toEqual(expected);
  });
  it.each([
    "https://git.example.com/app.git",
    "https://git.example.com/app.git#main",
    `https://git.example.com/app#${commit}`,
    `https://git.example.com/app.git#${commit}:`,
  ])("%s is refused", (text) => {
    expect(() => parseBuildSource(text, "/work")).toThrow(INVALID);
  });
  it("never shows a password", () => {
    expect(() => parseBuildSource("https://me:s3cret@git.example.com/a.git", "/")).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining("s3cret") as string }),
    );
  });
  it.each([
    ["lib=../lib", ["lib", { kind: "directory", path: "/lib" }]],
    ["base=docker-image://alpine:3", ["base", { kind: "image", reference: "alpine:3" }]],
    [
      "base=oci-layout://out@sha256:1",
      ["base", { kind: "oci-layout", path: "/work/out", digest: "sha256:1" }],
    ],
    [
      `src=https://git.example.com/a.git#${commit}`,
      ["src", { kind: "git", url: "https://git.example.com/a.git", commit }],
    ],
  ])("a further one: %s", (text, expected) => {
    expect(parseNamedContext(text, "/work")).toEqual(expected);
  });
});

describe("secrets of a build", () => {
  it.each([
    ["id=token,env=TOKEN", { id: "token", source: { kind: "value", value: "s3cret" } }],
    ["id=TOKEN", { id: "TOKEN", source: { kind: "value", value: "s3cret" } }],
    [
      "type=file,id=key,src=key.pem",
      { id: "key", source: { kind: "file", path: "/work/key.pem" } },
    ],
    ["id=key,source=/key", { id: "key", source: { kind: "file", path: "/key" } }],
  ])("%s", (text, expected) => {
    expect(parseBuildSecret(text, here)).toEqual(expected);
  });
  it.each([
    ["hunter22", "ERR_CLI_SECRET_ON_COMMAND_LINE"],
    ["id=a,value=hunter22", "ERR_CLI_SECRET_ON_COMMAND_LINE"],
    ["id=a,token=hunter22", "ERR_CLI_SECRET_ON_COMMAND_LINE"],
    ["id=absent", "ERR_CLI_SECRET_MISSING"],
    ["id=a,src=b,env=TOKEN", "ERR_CLI_OPTION_INVALID"],
    ["id=a,target=b", "ERR_CLI_OPTION_INVALID"],
    ["env=TOKEN", "ERR_CLI_OPTION_INVALID"],
  ])("%s is refused without showing it", (text, code) => {
    expect(() => parseBuildSecret(text, here)).toThrow(
      expect.objectContaining({ code, message: expect.not.stringContaining("hunter22") as string }),
    );
  });
  it("of ssh are the agent that runs, or what is named", async () => {
    expect(await parseBuildSsh("default", here)).toEqual({
      id: "default",
      agentSocket: "/run/agent",
    });
    expect(await parseBuildSsh("deploy=a,/b", here)).toEqual({
      id: "deploy",
      keyFiles: ["/work/a", "/b"],
    });
    await expect(parseBuildSsh("default", { cwd: "/", env: {} })).rejects.toEqual(INVALID);
    await expect(parseBuildSsh("=x", here)).rejects.toEqual(INVALID);
  });
});

describe("what comes of a build", () => {
  it("is told by directories and layouts, each once", () => {
    expect(parseBuildOutputs([], "/work")).toEqual({});
    expect(parseBuildOutputs(["out", "type=oci,dest=/layout"], "/work")).toEqual({
      directory: "/work/out",
      ociLayout: "/layout",
    });
    for (const texts of [["a", "b"], ["type=tar,dest=x"], ["type=oci"], [""]]) {
      expect(() => parseBuildOutputs(texts, "/work")).toThrow(INVALID);
    }
  });
  it.each([
    [
      "--cache-from",
      "r.example.com/c:1",
      { type: "registry", ref: "r.example.com/c:1", direction: "import" },
    ],
    ["--cache-from", "type=local,src=c", { type: "local", ref: "/work/c", direction: "import" }],
    [
      "--cache-to",
      "type=registry,ref=r/c:1,mode=max,image-manifest=true",
      {
        type: "registry",
        ref: "r/c:1",
        direction: "export",
        mode: "max",
        attributes: { "image-manifest": "true" },
      },
    ],
    ["--cache-to", "type=inline", { type: "inline", ref: "", direction: "export" }],
  ] as const)("%s %s", (option, text, expected) => {
    expect(parseCacheOption(option, text, "/work")).toEqual(expected);
  });
  it.each(["type=registry", "type=local,src=x", "mode=max", "type=registry,ref=x,mode=all"])(
    "--cache-to %s is refused",
    (text) => {
      expect(() => parseCacheOption("--cache-to", text, "/work")).toThrow(INVALID);
    },
  );
});

describe("pairs", () => {
  it("are separated at the first equals sign", () => {
    expect(parsePairs("--label", ["a=b=c", "d="])).toEqual({ a: "b=c", d: "" });
    expect(() => parsePairs("--label", ["=x"])).toThrow(INVALID);
    expect(parseBuildArguments(["A=b=c", "TOKEN"], here.env)).toEqual({
      A: "b=c",
      TOKEN: "s3cret",
    });
    expect(() => parseBuildArguments(["ABSENT"], here.env)).toThrow(INVALID);
  });
  it("are read back, and any text is read or refused", () => {
    const key = fc.stringMatching(/^[a-z][a-z-]{0,10}$/);
    const value = fc.stringMatching(/^[^,]{1,20}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(key, value), { selector: ([name]) => name, minLength: 1 }),
        (pairs) => {
          const text = pairs.map(([name, one]) => `${name}=${one}`).join(",");
          expect([...parseAttributes("--x", text)]).toEqual(pairs);
        },
      ),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        for (const parse of [
          () => parseAttributes("--x", text),
          () => parseBuildSource(text, "/"),
          () => parseNamedContext(text, "/"),
          () => parseBuildSecret(text, here),
          () => parseBuildOutputs([text], "/"),
          () => parseCacheOption("--cache-to", text, "/"),
        ]) {
          try {
            parse();
          } catch (error) {
            expect(error).toBeInstanceOf(CliError);
          }
        }
      }),
    );
  });
});
