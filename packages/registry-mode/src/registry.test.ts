import { DEFAULT_TEMPLATE_REPOSITORY_PREFIX } from "@molecule-ai/core";
import { describe, expect, it } from "vitest";
import {
  DEFAULT_REGISTRY_PREFIX,
  registryPrefixFromEnv,
  resolveRegistry,
  templateRepositoryUrl,
} from "./registry.js";

describe("resolveRegistry", () => {
  it("pulls from the registry that is set", () => {
    expect(resolveRegistry({ MOLECULE_IMAGE_REGISTRY: "ghcr.io/acme" })).toEqual({
      kind: "registry",
      prefix: "ghcr.io/acme",
    });
  });

  it.each([{}, { MOLECULE_IMAGE_REGISTRY: undefined }, { MOLECULE_IMAGE_REGISTRY: "" }])(
    "builds here when none is set: %j",
    (env) => {
      expect(resolveRegistry(env)).toEqual({
        kind: "local-build",
        repositoryPrefix: DEFAULT_TEMPLATE_REPOSITORY_PREFIX,
      });
    },
  );

  it.each([" ", "!!garbage!!", "https://ghcr.io/acme"])(
    "keeps %j as it is and does not fall back to building",
    (value) => {
      expect(resolveRegistry({ MOLECULE_IMAGE_REGISTRY: value })).toEqual({
        kind: "registry",
        prefix: value,
      });
    },
  );

  it("builds from a fork's repositories when they are set", () => {
    const env = { MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: "https://git.example/me/tpl-" };
    expect(resolveRegistry(env)).toEqual({
      kind: "local-build",
      repositoryPrefix: "https://git.example/me/tpl-",
    });
    expect(resolveRegistry({ MOLECULE_LOCAL_TEMPLATE_REPO_PREFIX: "" })).toEqual(
      resolveRegistry({}),
    );
  });
});

describe("registryPrefixFromEnv", () => {
  it("is the default until another is set", () => {
    expect(registryPrefixFromEnv({})).toBe(DEFAULT_REGISTRY_PREFIX);
    expect(DEFAULT_REGISTRY_PREFIX).toBe("ghcr.io/molecule-ai");
    expect(registryPrefixFromEnv({ MOLECULE_IMAGE_REGISTRY: "r.example/x" })).toBe("r.example/x");
  });
});

describe("templateRepositoryUrl", () => {
  it("is prefix and name", () => {
    expect(templateRepositoryUrl(DEFAULT_TEMPLATE_REPOSITORY_PREFIX, "claude-code")).toBe(
      "https://git.moleculesai.app/molecule-ai/molecule-ai-workspace-template-claude-code",
    );
  });

  it("lets no name lead elsewhere", () => {
    expect(() => templateRepositoryUrl("https://git.example/", "../other/repo")).toThrow(
      expect.objectContaining({ code: "ERR_RUNTIME_NAME_INVALID" }),
    );
  });
});
