import { parse, type SemVer } from "semver";
import { expect, test } from "vitest";
import { createArgs, type BuilderRequest } from "./create-args.js";

const version = (text: string): SemVer => parse(text) as SemVer;
const CONTAINER: BuilderRequest = {
  name: "molecule-1",
  driver: "docker-container",
  dockerEndpoint: "unix:///var/run/docker.sock",
  limits: { memoryBytes: 2 * 1024 ** 3, cpus: 1.5 },
  image: "moby/buildkit:v0.17.0",
};

test("a container is made with its limits and never becomes the current builder", () => {
  expect(
    createArgs(CONTAINER, { version: version("0.13.1"), configFile: "/s/buildkitd.toml" }),
  ).toEqual([
    "create",
    "--name",
    "molecule-1",
    "--driver",
    "docker-container",
    "--driver-opt",
    "image=moby/buildkit:v0.17.0",
    "--driver-opt",
    "memory=2147483648",
    "--driver-opt",
    "memory-swap=2147483648",
    "--driver-opt",
    "cpu-period=100000",
    "--driver-opt",
    "cpu-quota=150000",
    "--buildkitd-config",
    "/s/buildkitd.toml",
    "unix:///var/run/docker.sock",
  ]);
});

test("older versions of buildx have another name for the configuration", () => {
  const args = createArgs(CONTAINER, { version: version("0.12.1"), configFile: "/s/b.toml" });
  expect(args.slice(-3)).toEqual(["--config", "/s/b.toml", "unix:///var/run/docker.sock"]);
});

test("a remote daemon gets its certificates, also from a path that CSV would split", () => {
  expect(
    createArgs(
      { name: "r", driver: "remote", endpoint: "tcp://h:1", certDirectory: '/a,"b"' },
      { version: version("0.13.1"), configFile: undefined },
    ),
  ).toEqual([
    "create",
    "--name",
    "r",
    "--driver",
    "remote",
    "--driver-opt",
    '"cacert=/a,""b""/ca.pem"',
    "--driver-opt",
    '"cert=/a,""b""/cert.pem"',
    "--driver-opt",
    '"key=/a,""b""/key.pem"',
    "tcp://h:1",
  ]);
});
