import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ImageBuildError } from "../errors.js";
import { isLoopback, parseBuildkitEndpoint } from "./buildkit-endpoint.js";
import { buildSettingsFromEnv, type BuildSettings } from "./settings.js";

const read = (env: Record<string, string>): BuildSettings =>
  buildSettingsFromEnv(env, { homeDirectory: "/home/u" });

describe("settings of the build engine", () => {
  test("name nothing when nothing is set", () => {
    const settings = read({ PATH: "/bin", HOME: "/home/u", SECRET: "x", BUILDX_BUILDER: "mine" });
    expect(settings).toMatchObject({
      backend: "auto",
      remote: undefined,
      builder: undefined,
      namespace: "molecule",
      builderLimits: { memoryBytes: undefined, cpus: undefined },
      concurrency: 4,
      stateDirectory: "/home/u/.local/state/molecule-provisioner/build",
      dockerConfigDirectory: "/home/u/.docker",
    });
    expect(settings.childEnv).toEqual({
      PATH: "/bin",
      HOME: "/home/u",
      DOCKER_CONFIG: "/home/u/.docker",
      BUILDX_CONFIG: "/home/u/.docker/buildx",
    });
  });

  test("give buildx Docker's variables and both spellings of proxies", () => {
    const { childEnv } = read({
      DOCKER_HOST: "tcp://d:2376",
      DOCKER_CONFIG: "/d",
      https_proxy: "http://p",
      HTTPS_PROXY: "http://q",
      BUILDX_CONFIG: "/b",
    });
    expect(childEnv).toMatchObject({
      DOCKER_HOST: "tcp://d:2376",
      DOCKER_CONFIG: "/d",
      https_proxy: "http://p",
      HTTPS_PROXY: "http://q",
      BUILDX_CONFIG: "/b",
    });
  });

  test.each([
    ["buildkitd", "remote"],
    ["dind", "docker-container"],
    ["engine", "engine"],
  ])("take the backend %s for %s", (word, backend) => {
    expect(read({ MOLECULE_BUILD_BACKEND: word }).backend).toBe(backend);
  });

  test("read the limits of builders", () => {
    expect(
      read({ MOLECULE_BUILDER_MEMORY: "1.5GB", MOLECULE_BUILDER_CPUS: "2.5" }).builderLimits,
    ).toEqual({ memoryBytes: 1.5 * 1024 ** 3, cpus: 2.5 });
  });

  test.each([
    [{ BUILDKIT_HOST: "tcp://bk.example:9999" }, "/buildkit-certs"],
    [{ BUILDKIT_HOST: "tcp://bk.example:9999", MOLECULE_BUILDKIT_INSECURE: "1" }, undefined],
    [{ BUILDKIT_HOST: "tcp://bk.example:9999", BUILDKIT_CERT_PATH: "/c" }, "/c"],
    [{ BUILDKIT_HOST: "tcp://127.0.0.1:1234" }, undefined],
    [{ BUILDKIT_HOST: "tcp://127.0.0.1:1234", BUILDKIT_CERT_PATH: "/c" }, "/c"],
    [{ BUILDKIT_HOST: "unix:///run/buildkit/buildkitd.sock" }, undefined],
    [{ BUILDKIT_HOST: "ssh://me@host" }, undefined],
  ])("want certificates from %o in %s", (env, directory) => {
    expect(read(env).remote?.certDirectory).toBe(directory);
  });

  test.each([
    [{ MOLECULE_BUILD_BACKEND: "podman" }, /MOLECULE_BUILD_BACKEND is "podman", not one of auto/],
    [{ MOLECULE_BUILD_CONCURRENCY: "0" }, /MOLECULE_BUILD_CONCURRENCY/],
    [{ MOLECULE_BUILDER_MEMORY: "much" }, /MOLECULE_BUILDER_MEMORY/],
    [{ MOLECULE_BUILDER_CPUS: "-1" }, /MOLECULE_BUILDER_CPUS/],
    [{ MOLECULE_BUILDER: "--rm" }, /MOLECULE_BUILDER is/],
    [{ MOLECULE_BUILDX_PATH: "bin/buildx" }, /MOLECULE_BUILDX_PATH/],
    [{ MOLECULE_BUILDKIT_IMAGE: "a,network=host" }, /MOLECULE_BUILDKIT_IMAGE/],
    [{ MOLECULE_BUILDKIT_INSECURE: "yes please" }, /MOLECULE_BUILDKIT_INSECURE/],
    [{ BUILDKIT_HOST: "buildkitd" }, /BUILDKIT_HOST/],
    [{ BUILDKIT_HOST: "tcp://h:1", BUILDKIT_CERT_PATH: "certs" }, /BUILDKIT_CERT_PATH/],
  ])("refuse %o by the name of the variable", (env, message) => {
    expect(() => read(env)).toThrow(message);
    expect(() => read(env)).toThrow(expect.objectContaining({ code: "ERR_BUILD_SETTINGS" }));
  });

  test("never fail in another way", () => {
    const name = fc.constantFrom(
      "BUILDKIT_HOST",
      "MOLECULE_BUILD_BACKEND",
      "MOLECULE_BUILDER_MEMORY",
    );
    fc.assert(
      fc.property(fc.dictionary(name, fc.string({ unit: "binary" })), (env) => {
        try {
          read(env);
        } catch (error) {
          expect(error).toBeInstanceOf(ImageBuildError);
        }
      }),
    );
  });
});

describe("an address of BuildKit", () => {
  test.each([
    ["tcp://h:80", { kind: "tcp", host: "h", port: 80, address: "tcp://h:80" }],
    ["tcp://[::1]:1234/", { kind: "tcp", host: "::1", port: 1234, address: "tcp://[::1]:1234" }],
    ["unix:///run/b.sock", { kind: "unix", path: "/run/b.sock", address: "unix:///run/b.sock" }],
    ["ssh://u@h:22", { kind: "relayed", scheme: "ssh", address: "ssh://u@h:22" }],
    [
      "docker-container://b",
      { kind: "relayed", scheme: "docker-container", address: "docker-container://b" },
    ],
  ])("is read from %s", (text, endpoint) => {
    expect(parseBuildkitEndpoint(text, "X")).toEqual(endpoint);
  });

  test.each([
    "tcp://h",
    "tcp://u:p@h:1",
    "tcp://h:1/path",
    "unix://relative",
    "ssh://-oProxyCommand=x",
    "ssh://u@-x",
    "ssh://u:p@h",
    "docker-container://",
    "http://h:1",
    "tcp://h:1\nx",
    `unix:///${"x".repeat(600)}`,
  ])("is not %s", (text) => {
    expect(() => parseBuildkitEndpoint(text, "X")).toThrow(/^X is no BuildKit address/);
  });

  test("is of this machine only when it is a loopback address", () => {
    expect(["localhost", "127.0.0.1", "127.9.9.9", "::1"].every(isLoopback)).toBe(true);
    expect(["127.0.0.1.example.com", "10.0.0.1", "localhost.example.com"].some(isLoopback)).toBe(
      false,
    );
  });
});
