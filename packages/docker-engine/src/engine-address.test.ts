import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseEngineAddress } from "./engine-address.js";

describe("parseEngineAddress", () => {
  it.each([
    ["unix:///var/run/docker.sock", { kind: "unix", path: "/var/run/docker.sock" }],
    ["unix:///path with space/d.sock", { kind: "unix", path: "/path with space/d.sock" }],
    ["npipe:////./pipe/docker_engine", { kind: "npipe", path: "//./pipe/docker_engine" }],
    ["tcp://127.0.0.1:2375", { kind: "tcp", host: "127.0.0.1", port: 2375 }],
    ["tcp://build.example.com", { kind: "tcp", host: "build.example.com", port: 0 }],
    ["https://build.example.com:443/", { kind: "tcp", host: "build.example.com", port: 443 }],
    ["http://build.example.com:80", { kind: "tcp", host: "build.example.com", port: 80 }],
    ["tcp://[::1]:2376", { kind: "tcp", host: "::1", port: 2376 }],
    ["ssh://box", { kind: "ssh", host: "box", port: undefined, user: undefined }],
    ["ssh://anna@box:2222", { kind: "ssh", host: "box", port: 2222, user: "anna" }],
  ])("reads %s", (text, address) => {
    expect(parseEngineAddress(text, "DOCKER_HOST")).toEqual(address);
  });

  it.each([
    "",
    "/var/run/docker.sock",
    "unix://relative.sock",
    "unix://",
    "npipe://",
    "tcp://",
    "tcp://host:99999",
    "tcp://host/path",
    "tcp://user@host",
    "ftp://host",
    "ssh://-oProxyCommand=x",
    "ssh://-l@host",
    "ssh://host?x=1",
  ])("refuses %s", (text) => {
    expect(() => parseEngineAddress(text, "DOCKER_HOST")).toThrow(
      expect.objectContaining({ code: "ERR_ENGINE_SETTINGS" }) as Error,
    );
  });

  it("does not repeat a password it refuses", () => {
    expect(() => parseEngineAddress("ssh://anna:hunter22@box", "DOCKER_HOST")).toThrow(
      "DOCKER_HOST is no Docker host: it contains a password",
    );
  });

  it("fails only with its own error, whatever is written there", () => {
    fc.assert(
      fc.property(
        fc.constantFrom("", "tcp://", "ssh://", "unix://", "npipe://", "http://"),
        fc.string(),
        (scheme, rest) => {
          try {
            const address = parseEngineAddress(scheme + rest, "DOCKER_HOST");
            if (address.kind === "ssh") expect(address.host.startsWith("-")).toBe(false);
          } catch (error) {
            expect(error).toMatchObject({ code: "ERR_ENGINE_SETTINGS" });
          }
        },
      ),
    );
  });
});
