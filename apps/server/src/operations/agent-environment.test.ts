import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { agentEnvironment, gitIdentity, slugOf } from "./agent-environment.js";

const agent = { name: "Frontend Engineer", role: "", runtime: "langgraph", model: null };

describe("agentEnvironment", () => {
  it("says who commits, and no more where nothing else is known", () => {
    expect(agentEnvironment(agent, {})).toEqual({
      GIT_AUTHOR_NAME: "Molecule AI Frontend Engineer",
      GIT_AUTHOR_EMAIL: "frontend-engineer@agents.moleculesai.app",
      GIT_COMMITTER_NAME: "Molecule AI Frontend Engineer",
      GIT_COMMITTER_EMAIL: "frontend-engineer@agents.moleculesai.app",
    });
  });

  it("leaves what a secret says to the secret", () => {
    const env = agentEnvironment(
      { ...agent, model: "m" },
      {
        GIT_AUTHOR_NAME: "Ada",
        MODEL_PROVIDER: "secret-model",
      },
    );
    expect(env).not.toHaveProperty("GIT_AUTHOR_NAME");
    expect(env).not.toHaveProperty("MODEL_PROVIDER");
    expect(env).toHaveProperty("GIT_COMMITTER_NAME");
  });

  it("tells role and model, and hermes its default model", () => {
    const hermes = { ...agent, role: "QA", runtime: "hermes", model: "row-model" };
    expect(agentEnvironment(hermes, {})).toMatchObject({
      MOLECULE_AGENT_ROLE: "QA",
      MODEL_PROVIDER: "row-model",
      HERMES_DEFAULT_MODEL: "row-model",
    });
    expect(agentEnvironment(hermes, { MODEL_PROVIDER: "secret" })).toMatchObject({
      HERMES_DEFAULT_MODEL: "secret",
    });
    expect(agentEnvironment({ ...hermes, model: null }, {})).not.toHaveProperty(
      "HERMES_DEFAULT_MODEL",
    );
  });

  it("gives every variable one line, whatever the texts are", () => {
    const text = fc.string({ unit: "binary" });
    fc.assert(
      fc.property(text, text, text, (name, role, model) => {
        const values = Object.values(agentEnvironment({ ...agent, name, role, model }, {}));
        expect(values.every((value) => !/[\r\n\0]/.test(value))).toBe(true);
      }),
    );
  });
});

describe("gitIdentity", () => {
  it.each([
    ["Role (with parens)", "role-with-parens"],
    ["---weird---", "weird"],
    ["Émile", "mile"],
  ])("makes the address of %j from %j", (name, slug) => {
    expect(slugOf(name)).toBe(slug);
    expect(gitIdentity(name)["GIT_AUTHOR_EMAIL"]).toBe(`${slug}@agents.moleculesai.app`);
  });

  it("is nothing for a blank name", () => {
    expect(gitIdentity("  ")).toEqual({});
  });
});
