import { LABELS } from "@molecule-ai/core";
import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { createRuntimeRegistry } from "@molecule-ai/registry-mode";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { planWorkspace } from "../plan-workspace.js";
import { provisionerSettingsFromEnv, type PlanSettings } from "../settings.js";
import type { WorkspaceSpec } from "../workspace-spec.js";
import { recallSpec } from "./recall.js";

const settings: PlanSettings = {
  ...provisionerSettingsFromEnv({}),
  installId: "test-install",
  registry: { kind: "local-build", repositoryPrefix: "https://git.example/t-" },
  runtimes: createRuntimeRegistry(),
  limits: tierLimitsFromEnv({}).limits,
};
const IMAGE_ENV = ["PATH=/bin", "ADAPTER_MODULE=adapter", "PYTHONPATH=/app"];

describe("recallSpec", () => {
  it("leads back to the plan the container was made from", () => {
    const name = fc.stringMatching(/^[A-Z][A-Z0-9_]{1,8}$/).map((text) => `X_${text}`);
    const value = fc.string({ maxLength: 20 }).map((text) => text.replace(/[\0\r\n]/g, ""));
    const spec = fc.record<WorkspaceSpec>({
      id: fc.uuid(),
      name: fc.stringMatching(/^[A-Za-z ]{1,20}$/),
      runtime: fc.constantFrom("langgraph", "claude-code", "codex"),
      tier: fc.integer({ min: 1, max: 4 }),
      ref: fc.constantFrom(undefined, "v2"),
      image: fc.constantFrom(undefined, "registry.example/agent:1"),
      env: fc.dictionary(name, value, { maxKeys: 4 }),
      platformUrl: fc.constantFrom("http://a:1", "http://host.docker.internal:8080"),
      awarenessNamespace: fc.constantFrom(undefined, "team"),
      awarenessUrl: fc.constantFrom(undefined, "http://aware"),
    });
    fc.assert(
      fc.property(spec, fc.boolean(), fc.boolean(), (given, hasPath, readOnly) => {
        const asked: WorkspaceSpec = {
          ...given,
          ...(hasPath
            ? { workspacePath: "/srv/x", workspaceAccess: readOnly ? "read_only" : "read_write" }
            : {}),
        };
        const plan = planWorkspace(asked, settings);
        const recalled = recallSpec(
          {
            labels: plan.container.labels,
            env: [
              ...plan.container.env,
              ...IMAGE_ENV.filter((entry) => entry !== "PYTHONPATH=/app"),
            ],
            mounts: plan.container.hostConfig.Binds.map((bind) => {
              const [source = "", destination = "", mode] = bind.split(":");
              const type = source.startsWith("/") ? "bind" : "volume";
              return { type, name: source, source, destination, writable: mode !== "ro" };
            }),
          },
          IMAGE_ENV,
          {},
        );
        expect(planWorkspace(recalled, settings)).toEqual(plan);
      }),
    );
  });

  it("takes a variable with several lines for the secret it must have been", () => {
    const recalled = recallSpec(
      { labels: { [LABELS.workspace]: "x" }, env: ["A=1", "B=1\n2"], mounts: [] },
      [],
      {},
    );
    expect(recalled).toMatchObject({ env: { A: "1" }, secrets: { B: "1\n2" } });
  });
});
