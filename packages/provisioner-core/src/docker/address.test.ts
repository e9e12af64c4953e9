import type { EngineEndpoint } from "@molecule-ai/docker-engine";
import { describe, expect, it } from "vitest";
import { hostAddress, publishedAddress, type Vantage } from "./address.js";

const unix: EngineEndpoint = { kind: "unix", address: "/var/run/docker.sock", origin: "test" };
const at = (kind: "tcp" | "tls" | "ssh", address: string): EngineEndpoint => ({
  kind,
  address,
  origin: "test",
});

describe("where a published port is reached", () => {
  it.each([
    [unix, "127.0.0.1", "http://127.0.0.1:49153", true],
    [unix, "0.0.0.0", "http://127.0.0.1:49153", true],
    [unix, "::1", "http://[::1]:49153", true],
    [unix, "10.1.2.3", "http://10.1.2.3:49153", true],
    [at("tcp", "localhost:2375"), "127.0.0.1", "http://127.0.0.1:49153", true],
    [at("tcp", "build.example:2375"), "127.0.0.1", "http://127.0.0.1:49153", false],
    [at("tls", "build.example:2376"), "0.0.0.0", "http://build.example:49153", true],
    [at("ssh", "me@build.example"), "0.0.0.0", "http://build.example:49153", true],
    [at("tcp", "[fd00::1]:2375"), "", "http://[fd00::1]:49153", true],
    [at("tcp", "build.example:2375"), "fd00::2", "http://[fd00::2]:49153", true],
  ])("%o %s → %s, reachable: %s", (endpoint, ip, url, reachable) => {
    expect(publishedAddress(endpoint, { ip, port: 49_153 })).toEqual({ url, reachable });
  });

  it("is the engine's host for the host's network", () => {
    const published = (endpoint: EngineEndpoint): Vantage => ({
      endpoint,
      agentAddress: "published",
    });
    expect(hostAddress(published(unix), 8000).url).toBe("http://127.0.0.1:8000");
    expect(hostAddress(published(at("tcp", "build.example:2375")), 8001).url).toBe(
      "http://build.example:8001",
    );
    const inside: Vantage = { endpoint: unix, agentAddress: "network" };
    expect(hostAddress(inside, 8000).url).toBe("http://host.docker.internal:8000");
  });
});
