import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planWorkspace } from "./plan-workspace.js";
import { provisionerSettingsFromEnv, type PlanSettings } from "./settings.js";
import type { WorkspaceSpec } from "./workspace-spec.js";

const settings: PlanSettings = {
  ...provisionerSettingsFromEnv({}),
  installId: "test-install",
  registry: { kind: "local-build", repositoryPrefix: "https://git.example/t-" },
  runtimes: createRuntimeRegistry({ extra: ["mine"] }),
  limits: tierLimitsFromEnv({}).limits,
};
const id = "0b1c2d3e-4f50-4000-8000-000000000001";
const spec = (over: Partial<WorkspaceSpec> = {}): WorkspaceSpec => ({
  id,
  runtime: "langgraph",
  tier: 2,
  ...over,
});
const full = spec({
  name: "Front End",
  runtime: "claude-code",
  env: { CUSTOM: "1", PYTHONPATH: "/custom:/app" },
  secrets: { API_KEY: "do-not-show", CERT: "line one\nline two" },
  configFiles: { "config.yaml": Buffer.from("name: x\n"), "prompts/a.md": Buffer.from("hello") },
  authToken: "do-not-show-either",
  awarenessUrl: "http://aware",
  awarenessNamespace: "team",
});

describe("planWorkspace", () => {
  it.each([1, 2, 3, 4])("plans tier %d as ever", (tier) => {
    expect(planWorkspace({ ...full, tier }, settings)).toMatchSnapshot();
  });

  it("is plain JSON without a secret in it", () => {
    const plan = planWorkspace(full, settings);
    const text = JSON.stringify(plan);
    expect(JSON.parse(text)).toEqual(plan);
    for (const secret of ["do-not-show", "line one", "line two"])
      expect(text).not.toContain(secret);
    expect(plan.secretNames).toEqual(["API_KEY", "CERT"]);
  });

  it("is the same for the same input", () => {
    expect(planWorkspace(full, settings)).toEqual(planWorkspace(full, settings));
  });

  it.each([0, 5, 99, -1])("treats tier %d as tier 2", (tier) => {
    expect(planWorkspace(spec({ tier }), settings)).toEqual(planWorkspace(spec(), settings));
  });

  it("takes the image that was found, then the one asked for, then the runtime's", () => {
    const image = {
      ref: "r@sha256:1",
      imageId: "sha256:2",
      digest: undefined,
      revision: undefined,
      tree: undefined,
      source: undefined,
      platform: "linux/arm64",
      outcome: "pulled",
      templatePath: undefined,
    } as const;
    const found = planWorkspace(spec(), settings, { image }).container;
    expect([found.image, found.platform]).toEqual(["r@sha256:1", "linux/arm64"]);
    const asked = planWorkspace(spec({ image: "other:1" }), settings).container;
    expect(asked.image).toBe("other:1");
    expect(planWorkspace(spec(), settings).container.image).toBe(
      "molecule-local/workspace-template-langgraph:latest",
    );
    const registry = { kind: "registry", prefix: "reg.example/x" } as const;
    const pins = new Map([["langgraph", `sha256:${"a".repeat(64)}`]]);
    expect(planWorkspace(spec(), { ...settings, registry }).container.image).toBe(
      "reg.example/x/workspace-template-langgraph:latest",
    );
    expect(planWorkspace(spec(), { ...settings, registry, pins }).container.image).toBe(
      `reg.example/x/workspace-template-langgraph@sha256:${"a".repeat(64)}`,
    );
  });

  it("keeps what a runtime calls its state, and no state of others", () => {
    const roles = (runtime: string): string[] =>
      planWorkspace(spec({ runtime }), settings).volumes.map(({ role }) => role);
    expect(roles("claude-code")).toEqual(["configs", "workspace", "sessions", "state"]);
    expect(roles("codex")).toEqual(["configs", "workspace", "state"]);
    expect(roles("langgraph")).toEqual(["configs", "workspace"]);
    const statePaths = { mine: "/var/lib/mine" };
    const mine = planWorkspace(spec({ runtime: "mine" }), { ...settings, statePaths });
    expect(mine.container.hostConfig.Binds).toContain("ws-0b1c2d3e-4f5-state:/var/lib/mine");
  });

  it("creates no volume for a host directory", () => {
    const plan = planWorkspace(spec({ workspacePath: "/srv/code" }), settings);
    expect(plan.volumes.map(({ role }) => role)).toEqual(["configs"]);
    expect(plan.container.hostConfig.Binds).toContain("/srv/code:/workspace");
    const none = planWorkspace(
      spec({ workspacePath: "/srv/code", workspaceAccess: "none" }),
      settings,
    );
    expect(none.volumes.map(({ role }) => role)).toEqual(["configs", "workspace"]);
  });

  it("publishes on the address that was set", () => {
    const plan = planWorkspace(spec(), { ...settings, publishAddress: "10.0.0.1" });
    expect(plan.container.hostConfig.PortBindings).toEqual({
      "8000/tcp": [{ HostIp: "10.0.0.1", HostPort: "" }],
    });
  });

  it("follows the port of config.yaml everywhere", () => {
    const configFiles = { "config.yaml": Buffer.from("a2a:\n  port: 9100\n") };
    const plan = planWorkspace(spec({ configFiles }), settings);
    expect(plan).toMatchObject({ agentPort: 9100, internalUrl: "http://ws-0b1c2d3e-4f5:9100" });
    expect(plan.container.labels["molecule.platform.agent-port"]).toBe("9100");
    expect(plan.container.hostConfig.PortBindings).toHaveProperty(["9100/tcp"]);
  });

  it.each<[string, Partial<WorkspaceSpec>]>([
    ["ERR_WORKSPACE_ID_INVALID", { id: "../x" }],
    ["ERR_WORKSPACE_NAME_INVALID", { name: "" }],
    ["ERR_WORKSPACE_NAME_INVALID", { name: "a\nb" }],
    ["ERR_RUNTIME_UNKNOWN", { runtime: "unknown" }],
    ["ERR_RUNTIME_NAME_INVALID", { runtime: "../../etc" }],
    ["ERR_RUNTIME_UNKNOWN", { runtime: "unknown", image: "busybox" }],
    ["ERR_WORKSPACE_ENV_RESERVED", { env: { TIER: "4" } }],
    ["ERR_WORKSPACE_ENV_INVALID", { env: { A: "x\ny" } }],
    ["ERR_WORKSPACE_ENV_TOO_LARGE", { env: { A: "x".repeat(200 * 1024) } }],
    ["ERR_WORKSPACE_CONFIG_NAME_INVALID", { configFiles: { "../x": Buffer.alloc(1) } }],
    ["ERR_WORKSPACE_CONFIG_NAME_INVALID", { configFiles: { "/etc/x": Buffer.alloc(1) } }],
    ["ERR_WORKSPACE_TOKEN_INVALID", { authToken: "two\nlines" }],
    ["ERR_WORKSPACE_TOKEN_INVALID", { authToken: "" }],
    ["ERR_HOST_CONFIG_PATH_INVALID", { workspacePath: "relative" }],
    ["ERR_HOST_CONFIG_PATH_FORBIDDEN", { workspacePath: "/etc" }],
    ["ERR_HOST_CONFIG_PATH_FORBIDDEN", { workspacePath: "/" }],
    ["ERR_HOST_CONFIG_PATH_FORBIDDEN", { workspacePath: "/var/run/docker.sock", tier: 1 }],
    ["ERR_HOST_CONFIG_ACCESS_INVALID", { workspaceAccess: "read_only" }],
  ])("refuses with %s: %j", (code, over) => {
    expect(() => planWorkspace(spec(over), settings)).toThrow(expect.objectContaining({ code }));
  });

  it("never plans a secret into what is printed, whatever it is", () => {
    const value = fc
      .string({ minLength: 8, maxLength: 30 })
      .map((text) => `§${text.replaceAll("\0", "")}§`);
    fc.assert(
      fc.property(value, value, (secret, token) => {
        const plan = planWorkspace(spec({ secrets: { S: secret } }), settings);
        expect(JSON.stringify(plan)).not.toContain(JSON.stringify(secret).slice(1, -1));
        expect(() => planWorkspace(spec({ authToken: token }), settings)).toThrow(
          expect.objectContaining({ code: "ERR_WORKSPACE_TOKEN_INVALID" }),
        );
      }),
    );
  });
});
