import type { WorkspaceSummary } from "@molecule-ai/provisioner-core";
import { describe, expect, it } from "vitest";
import { findWorkspace } from "./address.js";

function workspace(id: string, name: string): WorkspaceSummary {
  return {
    id,
    name,
    runtime: "hello",
    tier: 2,
    status: "running",
    url: undefined,
    image: "x",
    createdAt: 0,
  };
}

const ALL = [
  workspace("aaaa1111-0000", "one"),
  workspace("aaaa2222-0000", "two"),
  workspace("bbbb3333-0000", "twin"),
  workspace("cccc4444-0000", "twin"),
  workspace("dddd5555-0000", "aaaa"),
  workspace("Mixed-Case", "bbbb3333-0000"),
];

function codeOf(query: string): unknown {
  try {
    findWorkspace(ALL, query);
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return undefined;
}

describe("findWorkspace", () => {
  it.each([
    ["aaaa1111-0000", "aaaa1111-0000"],
    ["aaaa1", "aaaa1111-0000"],
    ["AAAA1", "aaaa1111-0000"],
    ["two", "aaaa2222-0000"],
    ["cccc", "cccc4444-0000"],
    ["mixed", "Mixed-Case"],
  ])("%s means %s", (query, id) => {
    expect(findWorkspace(ALL, query).id).toBe(id);
  });

  it("takes an exact id before anybody's name", () => {
    expect(findWorkspace(ALL, "bbbb3333-0000").id).toBe("bbbb3333-0000");
  });

  it("lists the matches of what is ambiguous: names, prefixes, and one of each", () => {
    for (const query of ["twin", "aaaa"]) expect(codeOf(query)).toBe("ERR_CLI_WORKSPACE_AMBIGUOUS");
    expect(() => findWorkspace(ALL, "twin")).toThrow(/bbbb3333-0000 .*cccc4444-0000/);
    expect(() => findWorkspace(ALL, "aaaa")).toThrow(/3 workspaces/);
  });

  it.each(["", "aaa", "zzzz", "TWO", "1111"])("%j is nobody", (query) => {
    expect(codeOf(query)).toBe("ERR_CLI_WORKSPACE_NOT_FOUND");
  });

  it("says that a prefix is too short", () => {
    expect(() => findWorkspace(ALL, "bbb")).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("4 characters") as string }),
    );
  });
});
