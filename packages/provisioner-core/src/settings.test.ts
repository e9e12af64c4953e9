import { describe, expect, it } from "vitest";
import { provisionerSettingsFromEnv } from "./settings.js";

describe("provisionerSettingsFromEnv", () => {
  it("has a default for everything", () => {
    expect(provisionerSettingsFromEnv({ AWARENESS_URL: "", PLATFORM_URL: "" })).toEqual({
      platformUrl: "http://host.docker.internal:8080",
      awarenessUrl: undefined,
      networkName: "molecule-monorepo-net",
      publishAddress: "127.0.0.1",
      statePaths: { "claude-code": "/home/agent", codex: "/home/agent" },
      stopGraceSeconds: 10,
      readyTimeoutMs: 180_000,
      readyTotalTimeoutMs: 900_000,
      adoptVolumes: false,
    });
  });

  it("reads every variable", () => {
    expect(
      provisionerSettingsFromEnv({
        PORT: "9000",
        AWARENESS_URL: "https://aware.example",
        MOLECULE_NETWORK: "my-net",
        MOLECULE_PUBLISH_ADDRESS: "0.0.0.0",
        MOLECULE_STATE_PATHS: "codex=, mine=/var/lib/mine",
        MOLECULE_STOP_GRACE_SECONDS: "3",
        MOLECULE_READY_TIMEOUT_SECONDS: "4",
        MOLECULE_READY_TOTAL_TIMEOUT_SECONDS: "5",
        MOLECULE_ADOPT_VOLUMES: "1",
      }),
    ).toEqual({
      platformUrl: "http://host.docker.internal:9000",
      awarenessUrl: "https://aware.example",
      networkName: "my-net",
      publishAddress: "0.0.0.0",
      statePaths: { "claude-code": "/home/agent", mine: "/var/lib/mine" },
      stopGraceSeconds: 3,
      readyTimeoutMs: 4000,
      readyTotalTimeoutMs: 5000,
      adoptVolumes: true,
    });
    expect(provisionerSettingsFromEnv({ PLATFORM_URL: "http://p:1" }).platformUrl).toBe(
      "http://p:1",
    );
  });

  it.each([
    ["PLATFORM_URL", "host:8080"],
    ["PLATFORM_URL", "not a url"],
    ["AWARENESS_URL", "ftp://x"],
    ["PORT", "0"],
    ["PORT", "99999"],
    ["MOLECULE_NETWORK", "host"],
    ["MOLECULE_NETWORK", "a b"],
    ["MOLECULE_PUBLISH_ADDRESS", "localhost"],
    ["MOLECULE_STATE_PATHS", "codex=relative"],
    ["MOLECULE_STATE_PATHS", "codex=/a/../b"],
    ["MOLECULE_STOP_GRACE_SECONDS", "-1"],
    ["MOLECULE_READY_TIMEOUT_SECONDS", "1.5"],
  ])("refuses %s=%s and names the variable", (name, value) => {
    expect(() => provisionerSettingsFromEnv({ [name]: value })).toThrow(
      expect.objectContaining({
        code: "ERR_WORKSPACE_SETTINGS_INVALID",
        details: { variable: name },
      }),
    );
  });
});
