import { describe, expect, it } from "vitest";
import { engineSettingsFromEnv, type EngineSettings } from "./settings.js";

const read = (env: Record<string, string>): EngineSettings =>
  engineSettingsFromEnv(env, { homeDirectory: "/home/anna", platform: "linux", uid: 1000 });

describe("engineSettingsFromEnv", () => {
  it("has Docker's defaults, and takes empty for unset", () => {
    expect(read({ DOCKER_HOST: "", DOCKER_TLS_VERIFY: "", DOCKER_CONTEXT: "" })).toMatchObject({
      dockerHost: undefined,
      dockerContext: undefined,
      configDirectory: "/home/anna/.docker",
      certDirectory: "/home/anna/.docker",
      tlsVerify: false,
      apiVersion: undefined,
      uid: 1000,
    });
  });

  it("reads Docker's variables", () => {
    expect(
      read({
        DOCKER_HOST: "tcp://h:2376",
        DOCKER_CONFIG: "/etc/d",
        DOCKER_TLS_VERIFY: "1",
        DOCKER_CERT_PATH: "/certs",
        DOCKER_API_VERSION: "1.43",
      }),
    ).toMatchObject({
      dockerHost: "tcp://h:2376",
      configDirectory: "/etc/d",
      tlsVerify: true,
      certDirectory: "/certs",
      apiVersion: "1.43",
    });
  });

  it("takes credentials for ghcr.io from its own pair before any file", () => {
    const auth = Buffer.from("file:secret").toString("base64");
    const { credentials } = read({
      GHCR_USER: "me",
      GHCR_TOKEN: "ghp_x",
      DOCKER_AUTH_CONFIG: JSON.stringify({ auths: { "ghcr.io": { auth }, "r.example": { auth } } }),
    });
    expect(credentials.get("ghcr.io")).toEqual({
      kind: "password",
      username: "me",
      password: "ghp_x",
    });
    expect(credentials.get("r.example")).toMatchObject({ username: "file" });
    expect(read({ GHCR_TOKEN: "ghp_x" }).credentials.size).toBe(0);
  });

  it("refuses what it cannot read, without repeating it", () => {
    expect(() => read({ DOCKER_AUTH_CONFIG: '{"auths":{"x":{"auth":"c2VjcmV0"' })).toThrow(
      "DOCKER_AUTH_CONFIG is not JSON",
    );
    expect(() => read({ DOCKER_API_VERSION: "latest" })).toThrow(
      expect.objectContaining({ code: "ERR_ENGINE_SETTINGS" }) as Error,
    );
  });

  it("gives helpers what they need to run and nothing of our own secrets", () => {
    const { childEnv } = read({
      PATH: "/bin",
      HOME: "/home/anna",
      AWS_PROFILE: "dev",
      MOLECULE_GITEA_TOKEN: "t",
      GHCR_TOKEN: "ghp_x",
      GHCR_USER: "me",
      OPENAI_API_KEY: "k",
    });
    expect(childEnv).toEqual({ PATH: "/bin", HOME: "/home/anna", AWS_PROFILE: "dev" });
  });
});
