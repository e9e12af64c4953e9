import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isTemplateName } from "../templates/template-catalog.js";
import { chooseRestartTemplate, type RestartTemplateRequest } from "./restart-template.js";

const nothing: RestartTemplateRequest = {
  template: undefined,
  applyTemplate: false,
  rebuildConfig: false,
};
const workspace = { name: "Research Agent", runtime: "hermes", template: null };

function choose(
  request: Partial<RestartTemplateRequest>,
  present: readonly string[],
  of: Partial<{ name: string; runtime: string; template: string | null }> = {},
): Promise<string | undefined> {
  return chooseRestartTemplate({ ...workspace, ...of }, { ...nothing, ...request }, (name) =>
    Promise.resolve(present.includes(name)),
  );
}

describe("the template of a restart", () => {
  it("is none without a flag, also when a template has the name of the workspace", async () => {
    expect(await choose({}, ["research-agent", "hermes-default"])).toBeUndefined();
  });

  it("is the named one", async () => {
    expect(await choose({ template: "own" }, ["own"])).toBe("own");
  });

  it("is the named one also when another has the name of the workspace", async () => {
    const request = { template: "own", applyTemplate: true };
    expect(await choose(request, ["own", "research-agent"])).toBe("own");
  });

  it("is the one of the name of the workspace when templates are applied", async () => {
    const present = ["research-agent", "hermes-default"];
    expect(await choose({ applyTemplate: true }, present)).toBe("research-agent");
  });

  it("is the default of the runtime when templates are applied and none has the name", async () => {
    expect(await choose({ applyTemplate: true }, ["hermes-default"])).toBe("hermes-default");
  });

  it("is none when templates are applied and there are none", async () => {
    expect(await choose({ applyTemplate: true }, [])).toBeUndefined();
  });

  it.each(["../../etc/passwd", "missing", "/etc", ".hidden", ""])(
    "is none when the named one is %j",
    async (template) => {
      expect(await choose({ template }, ["hermes-default"])).toBeUndefined();
    },
  );

  it("is the one it was made from when the configuration is rebuilt", async () => {
    const present = ["origin", "research-agent"];
    expect(await choose({ rebuildConfig: true }, present, { template: "origin" })).toBe("origin");
  });

  it("is the default of langgraph when the stored runtime is a way out of the directory", async () => {
    const asked: string[] = [];
    const chosen = await chooseRestartTemplate(
      { ...workspace, runtime: "../../x" },
      { ...nothing, applyTemplate: true },
      (name) => Promise.resolve(asked.push(name) > 0 && name === "langgraph-default"),
    );
    expect(chosen).toBe("langgraph-default");
    expect(asked.every(isTemplateName)).toBe(true);
  });

  it("asks for nothing that leads out of the directory, whatever the names", async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), fc.string(), fc.string(), async (name, runtime, template) => {
        await chooseRestartTemplate(
          { name, runtime, template },
          { template, applyTemplate: true, rebuildConfig: true },
          (asked) => {
            expect(asked).toSatisfy(isTemplateName);
            return Promise.resolve(false);
          },
        );
      }),
    );
  });
});
