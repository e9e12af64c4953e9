import { tierLimitsFromEnv } from "@molecule-ai/host-config";
import { planWorkspace, provisionerSettingsFromEnv } from "@molecule-ai/provisioner-core";
import { createRuntimeRegistry, resolveRegistry } from "@molecule-ai/registry-mode";
import { describe, expect, it } from "vitest";
import { createStyle } from "../output/style.js";
import { formatPlan } from "./plan.js";

describe("plan for people", () => {
  it("shows names, mounts, files, environment and host config, and no secret value", () => {
    const plan = planWorkspace(
      {
        id: "0123456789abcdef",
        name: "helper",
        runtime: "langgraph",
        tier: 2,
        env: { LOG_LEVEL: "debug" },
        secrets: { API_KEY: "hunter2hunter2" },
        configFiles: { "config.yaml": Buffer.from("name: helper\n") },
        authToken: "hunter3hunter3",
      },
      {
        ...provisionerSettingsFromEnv({}),
        installId: "team-a",
        registry: resolveRegistry({ MOLECULE_IMAGE_REGISTRY: "ghcr.io/molecule-ai" }),
        runtimes: createRuntimeRegistry(),
        limits: tierLimitsFromEnv({}).limits,
      },
    );
    const text = formatPlan(plan, ["A note."], createStyle(false));
    expect(text).not.toContain("hunter");
    expect(text).toMatchInlineSnapshot();
  });
});
