import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { defaultConfigYaml, readAgentPort } from "./config-yaml.js";

describe("defaultConfigYaml", () => {
  it("quotes the name and has a timeout for most runtimes", () => {
    expect(defaultConfigYaml({ name: "Front End", runtime: "crewai", tier: 2 })).toBe(
      [
        'name: "Front End"',
        'description: ""',
        "version: 1.0.0",
        "tier: 2",
        "runtime: crewai",
        'model: "anthropic:claude-opus-4-7"',
        "runtime_config:",
        "  timeout: 0",
        "",
      ].join("\n"),
    );
  });

  it.each([
    ["langgraph", "anthropic:claude-opus-4-7", false],
    ["deepagents", "anthropic:claude-opus-4-7", false],
    ["claude-code", "sonnet", true],
    ["openclaw", "anthropic:claude-opus-4-7", true],
  ])("knows what %s is given", (runtime, model, hasTimeout) => {
    const config = parse(defaultConfigYaml({ name: "n", runtime, tier: 1 })) as object;
    expect(config).toMatchObject({ runtime, model, tier: 1 });
    expect("runtime_config" in config).toBe(hasTimeout);
  });

  it("lets no text add a key", () => {
    const text = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constant("x\nevil: true\n"),
    );
    fc.assert(
      fc.property(text, text, text, (name, runtime, model) => {
        const wellFormed = [name, runtime, model].map((part) => Buffer.from(part).toString());
        const [n = "", r = "", m = ""] = wellFormed;
        const config = parse(
          defaultConfigYaml({ name: n, runtime: r, tier: 2, model: m }),
        ) as object;
        expect(config).toMatchObject({ name: n, runtime: r, model: m, tier: 2 });
        expect(Object.keys(config).filter((key) => key === "evil")).toEqual([]);
      }),
    );
  });
});

describe("readAgentPort", () => {
  it.each([
    ["", 8000],
    ["name: x", 8000],
    ["a2a:\n  streaming: true", 8000],
    ["a2a: yes", 8000],
    ["a2a:\n  port: 9123", 9123],
    ["a2a: {port: 1}", 1],
    ["a: b: c: [", 8000],
    ["a2a:\n  port: 7\na2a:\n  port: 8", 7],
  ])("reads %j as %d", (text, port) => {
    expect(readAgentPort(Buffer.from(text))).toBe(port);
  });

  it.each(["a2a: {port: 0}", "a2a: {port: 65536}", "a2a: {port: http}", "a2a: {port: 1.5}"])(
    "refuses %j",
    (text) => {
      expect(() => readAgentPort(Buffer.from(text))).toThrow(
        expect.objectContaining({ code: "ERR_WORKSPACE_CONFIG_INVALID" }),
      );
    },
  );

  it("does not search what is longer than any configuration", () => {
    const long = (bytes: number) => Buffer.from(`a2a: {port: 7}\n#${" ".repeat(bytes)}`);
    expect(readAgentPort(long(1000))).toBe(7);
    expect(readAgentPort(long(128 * 1024))).toBe(8000);
  });

  it("never fails on other text", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(readAgentPort(Buffer.from(`x: ${JSON.stringify(text)}`))).toBe(8000);
        expect(typeof readAgentPort(Buffer.from(text.replaceAll("port", "")))).toBe("number");
      }),
    );
  });
});
