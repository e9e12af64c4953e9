import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createWorkspaceBody, patchWorkspaceBody } from "./workspace-body.js";

const accepts = (body: unknown): boolean => createWorkspaceBody.safeParse(body).success;
const acceptsPatch = (body: unknown): boolean => patchWorkspaceBody.safeParse(body).success;

describe("the body that creates a workspace", () => {
  it("needs a name that is not blank", () => {
    expect([{}, { name: "" }, { name: "  " }, { name: null }].map(accepts)).not.toContain(true);
    expect(accepts({ name: "Default Agent" })).toBe(true);
  });

  it.each([
    ["name", 255],
    ["role", 1000],
    ["model", 100],
    ["runtime", 100],
    ["template", 100],
  ])("takes a %s of %i characters and none longer", (field, most) => {
    expect(accepts({ name: "a", [field]: "x".repeat(most) })).toBe(true);
    expect(accepts({ name: "a", [field]: "x".repeat(most + 1) })).toBe(false);
  });

  it.each(["name", "role", "model", "runtime", "template"])(
    "takes no line break in %s",
    (field) => {
      expect(accepts({ name: "a", [field]: "a\nevil: true" })).toBe(false);
      expect(accepts({ name: "a", [field]: "a\rb" })).toBe(false);
    },
  );

  it("takes none of {}[]|>*&! in name and role", () => {
    for (const character of "{}[]|>*&!") {
      expect(accepts({ name: `a${character}` })).toBe(false);
      expect(accepts({ name: "a", role: `a${character}` })).toBe(false);
    }
  });

  it("takes null and the empty string for what is not said", () => {
    const unsaid = {
      name: "a",
      role: "",
      template: "",
      model: null,
      runtime: "",
      url: "",
      external: null,
      tier: null,
      workspace_dir: "",
      workspace_access: "",
      parent_id: "",
      secrets: null,
      canvas: null,
      budget_limit: null,
    };
    expect(accepts(unsaid)).toBe(true);
  });

  it("takes the fields of other parts of the platform", () => {
    const foreign = { budget_limit: 500, canvas: { x: 1.5, y: -2 }, initial_memories: [{ a: 1 }] };
    expect(accepts({ name: "a", ...foreign })).toBe(true);
  });

  it("takes no field it does not know, and no other type", () => {
    expect(accepts({ name: "a", privileged: true })).toBe(false);
    expect(accepts({ name: "a", tier: "2" })).toBe(false);
    expect(accepts({ name: "a", tier: 5 })).toBe(false);
    expect(accepts({ name: "a", external: "yes" })).toBe(false);
    expect(accepts({ name: "a", secrets: { KEY: 1 } })).toBe(false);
    expect(accepts({ name: "a", canvas: { x: 1 } })).toBe(false);
    expect(accepts([])).toBe(false);
  });

  it("lets through only text that can be stored and written into a line of YAML", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.string({ unit: "grapheme" }), (one, other) => {
        for (const name of [one, other, one + other]) {
          if (!accepts({ name })) continue;
          expect(name).not.toMatch(/[\0\r\n{}[\]|>*&!]/);
          expect(Buffer.from(name, "utf8").toString("utf8")).toBe(name);
        }
      }),
    );
  });

  it("never throws, whatever it is given", () => {
    fc.assert(
      fc.property(fc.anything(), fc.dictionary(fc.string(), fc.anything()), (body, fields) => {
        accepts(body);
        accepts({ name: "a", ...fields });
        acceptsPatch(body);
      }),
    );
  });

  it("refuses half of a surrogate pair and NUL, which no database stores", () => {
    expect(accepts({ name: "a\ud800" })).toBe(false);
    expect(accepts({ name: "a\0" })).toBe(false);
    expect(accepts({ name: "Grüße 🐙" })).toBe(true);
  });
});

describe("the body that changes a workspace", () => {
  it("takes any of its fields, also none", () => {
    expect(acceptsPatch({})).toBe(true);
    expect(acceptsPatch({ x: 1, y: 2 })).toBe(true);
    expect(acceptsPatch({ workspace_dir: null, parent_id: null })).toBe(true);
  });

  it("takes a budget_limit of any kind, because it is ignored", () => {
    expect(acceptsPatch({ budget_limit: "much" })).toBe(true);
  });

  it("takes no status, and no other type", () => {
    expect(acceptsPatch({ status: "online" })).toBe(false);
    expect(acceptsPatch({ name: null })).toBe(false);
    expect(acceptsPatch({ collapsed: "yes" })).toBe(false);
    expect(acceptsPatch({ x: Number.NaN })).toBe(false);
  });
});
