import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { runtimeImage } from "./runtime-image.js";
import { isRuntimeName } from "./runtime-name.js";
import {
  createRuntimeRegistry,
  DEFAULT_RUNTIME,
  KNOWN_RUNTIMES,
  runtimesFromEnv,
  templateRefVariable,
} from "./runtimes.js";

const unknown = (): unknown => expect.objectContaining({ code: "ERR_RUNTIME_UNKNOWN" });
const invalid = (): unknown => expect.objectContaining({ code: "ERR_RUNTIME_NAME_INVALID" });

describe("createRuntimeRegistry", () => {
  it("knows nine runtimes in alphabetical order", () => {
    const { names } = createRuntimeRegistry();
    expect(names).toHaveLength(9);
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(KNOWN_RUNTIMES);
    expect(names).toContain(DEFAULT_RUNTIME);
  });

  it("knows which four are mirrored", () => {
    const mirrored = createRuntimeRegistry().runtimes.filter((runtime) => runtime.mirrored);
    expect(mirrored.map(({ name }) => name)).toEqual([
      "autogen",
      "claude-code",
      "hermes",
      "langgraph",
    ]);
  });

  it("knows each of them and nothing else", () => {
    const registry = createRuntimeRegistry();
    for (const name of KNOWN_RUNTIMES) {
      expect(registry.isKnown(name)).toBe(true);
      expect(registry.require(name).name).toBe(name);
    }
    for (const name of ["", "Langgraph", "external", "claude", "constructor", "__proto__"]) {
      expect(registry.isKnown(name)).toBe(false);
    }
  });

  it("adds the operator's own, in their place and once", () => {
    const registry = createRuntimeRegistry({ extra: ["echo", "echo", "hermes"] });
    const { names } = registry;
    expect(names).toHaveLength(10);
    expect(names.indexOf("echo")).toBe(names.indexOf("deepagents") + 1);
    expect(registry.require("echo")).toEqual({
      name: "echo",
      origin: "extra",
      mirrored: false,
      templateRef: undefined,
    });
    expect(registry.require("hermes").origin).toBe("built-in");
  });

  it("suggests the name that was meant", () => {
    const registry = createRuntimeRegistry({ extra: ["my-agent"] });
    const hintOf = (name: string): string | undefined => {
      try {
        registry.require(name);
      } catch (error) {
        return (error as { hint?: string }).hint;
      }
      return undefined;
    };
    expect(hintOf("langraph")).toContain('Did you mean "langgraph"?');
    expect(hintOf("Claude_Code")).toContain('Did you mean "claude-code"?');
    expect(hintOf("myagent")).toContain('Did you mean "my-agent"?');
    expect(hintOf("zzzzzzzz")).not.toContain("Did you mean");
    expect(hintOf("zzzzzzzz")).toContain("openclaw");
  });

  it.each([
    "../../etc/passwd",
    "..",
    "a/b",
    "a\\b",
    "/abs",
    "lang graph",
    "langgraph\nevil",
    "langgraph\0",
    "-rf",
    "a--b",
    "a-",
    "UPPER",
    "a%2fb",
    "x".repeat(64),
    "",
  ])("refuses the name %j as no name at all", (name) => {
    expect(() => createRuntimeRegistry().require(name)).toThrow(invalid() as Error);
    expect(() => createRuntimeRegistry({ extra: [name] })).toThrow(invalid() as Error);
  });

  it("never turns an unknown runtime into another one", () => {
    expect(() => createRuntimeRegistry().require("unheard-of")).toThrow(unknown() as Error);
  });

  it("refuses the ref of a runtime that is not listed", () => {
    expect(() => createRuntimeRegistry({ templateRefs: { nope: "v1" } })).toThrow(
      unknown() as Error,
    );
  });
});

describe("isRuntimeName", () => {
  it("lets only names through that are safe in a path, a reference and a variable", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[a-z0-9-]{1,70}$/)), (name) => {
        fc.pre(isRuntimeName(name));
        expect(name).toMatch(/^[a-z0-9][a-z0-9-]*$/);
        expect(runtimeImage("r.example", name)).toBe(`r.example/workspace-template-${name}:latest`);
        expect(templateRefVariable(name)).toMatch(/^MOLECULE_TEMPLATE_REF_[A-Z0-9_]+$/);
      }),
    );
  });

  it("gives no two names one variable", () => {
    const name = fc.stringMatching(/^[a-z0-9]{1,3}(-[a-z0-9]{1,3}){0,3}$/);
    fc.assert(
      fc.property(name, name, (a, b) => {
        expect(templateRefVariable(a) === templateRefVariable(b)).toBe(a === b);
      }),
    );
  });
});

describe("runtimesFromEnv", () => {
  it("takes a list of extra runtimes with spaces and empty entries", () => {
    const { names } = runtimesFromEnv({ MOLECULE_EXTRA_RUNTIMES: " echo , my-agent,,echo" });
    expect(names).toHaveLength(11);
    expect(names).toEqual(expect.arrayContaining(["echo", "my-agent"]));
  });

  it("names the variable and the entry that is no name", () => {
    expect(() => runtimesFromEnv({ MOLECULE_EXTRA_RUNTIMES: "echo,../evil" })).toThrow(
      /MOLECULE_EXTRA_RUNTIMES.*\.\.\/evil/,
    );
  });

  it("reads the template ref of each runtime", () => {
    const registry = runtimesFromEnv({
      MOLECULE_EXTRA_RUNTIMES: "my-agent",
      MOLECULE_TEMPLATE_REF_CLAUDE_CODE: "release/2",
      MOLECULE_TEMPLATE_REF_MY_AGENT: "v1.0",
      MOLECULE_TEMPLATE_REF_HERMES: "",
    });
    expect(registry.require("claude-code").templateRef).toBe("release/2");
    expect(registry.require("my-agent").templateRef).toBe("v1.0");
    expect(registry.require("hermes").templateRef).toBeUndefined();
  });

  it("refuses a ref that git could take for an option, naming the variable", () => {
    expect(() =>
      runtimesFromEnv({ MOLECULE_TEMPLATE_REF_HERMES: "--upload-pack=touch /tmp/x" }),
    ).toThrow(/MOLECULE_TEMPLATE_REF_HERMES/);
  });

  it("does not pass over a ref for nobody", () => {
    expect(() => runtimesFromEnv({ MOLECULE_TEMPLATE_REF_CLAUDECODE: "v1" })).toThrow(
      unknown() as Error,
    );
  });
});
