import { isProvisionerError } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import { serverConfigFromEnv } from "./config.js";

describe("serverConfigFromEnv", () => {
  it("listens on loopback port 8080 when nothing is set, or set to nothing", () => {
    const defaults = { host: "127.0.0.1", port: 8080, logLevel: "info", shutdownGraceMs: 10_000 };
    expect(serverConfigFromEnv({})).toMatchObject(defaults);
    expect(serverConfigFromEnv({ HOST: "", PORT: "", LOG_LEVEL: "" })).toMatchObject(defaults);
  });

  it("takes every variable", () => {
    expect(
      serverConfigFromEnv({
        HOST: "::1",
        PORT: "0",
        LOG_LEVEL: "silent",
        SHUTDOWN_GRACE_SECONDS: "3",
      }),
    ).toMatchObject({ host: "::1", port: 0, logLevel: "silent", shutdownGraceMs: 3000 });
  });

  it("is frozen", () => {
    expect(Object.isFrozen(serverConfigFromEnv({}))).toBe(true);
  });

  it.each([
    ["PORT", "http"],
    ["PORT", "65536"],
    ["PORT", "-1"],
    ["PORT", "80 "],
    ["PORT", "1e3"],
    ["LOG_LEVEL", "loud"],
    ["SHUTDOWN_GRACE_SECONDS", "3601"],
  ])("refuses %s=%s by name, with a hint", (name, value) => {
    let thrown: unknown;
    try {
      serverConfigFromEnv({ [name]: value });
    } catch (error) {
      thrown = error;
    }
    expect(isProvisionerError(thrown, "ERR_SERVER_CONFIG")).toBe(true);
    expect(thrown).toMatchObject({ message: expect.stringContaining(name) as string });
    expect((thrown as { hint?: string }).hint).toBeTruthy();
  });

  it("believes the proxies that are named, and has no word for all of them", () => {
    const proxies = "10.0.0.0/8, 127.0.0.1,fd00::/8";
    expect(serverConfigFromEnv({}).trustProxy).toEqual([]);
    expect(serverConfigFromEnv({ MOLECULE_TRUST_PROXY: proxies }).trustProxy).toEqual([
      "10.0.0.0/8",
      "127.0.0.1",
      "fd00::/8",
    ]);
    for (const value of ["true", "*", "1.2.3.4/33", "proxy.example", "10.0.0.0/8;127.0.0.1"]) {
      expect(() => serverConfigFromEnv({ MOLECULE_TRUST_PROXY: value })).toThrow(
        "MOLECULE_TRUST_PROXY",
      );
    }
  });

  it("names every bad variable at once", () => {
    expect(() => serverConfigFromEnv({ PORT: "x", LOG_LEVEL: "y" })).toThrow(/PORT.*LOG_LEVEL/);
  });
});
