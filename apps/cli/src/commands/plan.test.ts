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
    expect(text).toMatchInlineSnapshot(`
      "id          0123456789abcdef
      name        helper
      runtime     langgraph
      tier        2
      image       ghcr.io/molecule-ai/workspace-template-langgraph:latest
      platform    the engine's own
      container   ws-0123456789ab
      install id  team-a
      network     molecule-monorepo-net
      agent       http://ws-0123456789ab:8000 (port 8000)

      Volumes
        PATH           ROLE       NAME
        /configs       configs    ws-0123456789ab-configs
        /workspace     workspace  ws-0123456789abcdef-workspace
        /run/molecule  secrets    ws-0123456789ab-secrets

      Files
        PATH                       MODE  SIZE  FROM
        /configs/config.yaml       0644  13 B  config
        /configs/.auth_token       0600  14 B  token
        /run/molecule/secrets/env  0400  32 B  secrets

      Environment
        WORKSPACE_ID=0123456789abcdef
        WORKSPACE_CONFIG_PATH=/configs
        PLATFORM_URL=http://host.docker.internal:8080
        MOLECULE_URL=http://host.docker.internal:8080
        TIER=2
        PLUGINS_DIR=/plugins
        PYTHONPATH=/app
        LOG_LEVEL=debug

      Secrets
        API_KEY

      Host config
        Binds          ["ws-0123456789ab-configs:/configs","ws-0123456789abcdef-workspace:/workspace","ws-0123456789ab-secrets:/run/molecule"]
        RestartPolicy  {"Name":"unless-stopped"}
        ExtraHosts     ["host.docker.internal:host-gateway"]
        Memory         536870912
        NanoCpus       1000000000
        PidsLimit      1024
        NetworkMode    molecule-monorepo-net
        PortBindings   {"8000/tcp":[{"HostIp":"127.0.0.1","HostPort":""}]}
        Init           true
        SecurityOpt    ["no-new-privileges"]

      Notes
        A note."
    `);
  });
});
