import { describe, expect, it } from "vitest";
import { validateConfigFiles } from "./config-files.js";

const refusal = expect.objectContaining({ code: "ERR_WORKSPACE_CONFIG_NAME_INVALID" });

describe("validateConfigFiles", () => {
  it.each(["config.yaml", "a/b", ".env", "prompts/système.md", "a..b", "..a"])("takes %s", (name) =>
    expect(() => validateConfigFiles({ [name]: Buffer.alloc(1) })).not.toThrow(),
  );

  it.each([
    "",
    ".",
    "..",
    "/etc/passwd",
    "../x",
    "a/../../x",
    "a/..",
    "a//b",
    "a/",
    "./a",
    "a\\b",
    "a\nb",
    "a\0b",
    ".auth_token",
    `${"x".repeat(256)}`,
    `${"x/".repeat(600)}x`,
  ])("refuses %j", (name) => {
    expect(() => validateConfigFiles({ [name]: Buffer.alloc(1) })).toThrow(refusal);
  });

  it("refuses a file below a file", () => {
    expect(() => validateConfigFiles({ a: Buffer.alloc(1), "a/b": Buffer.alloc(1) })).toThrow(
      refusal,
    );
    expect(() => validateConfigFiles({ ".auth_token/x": Buffer.alloc(1) })).toThrow(refusal);
  });

  it("refuses more files and bytes than a configuration has", () => {
    const tooLarge = expect.objectContaining({ code: "ERR_WORKSPACE_CONFIG_TOO_LARGE" });
    const many = Object.fromEntries(
      Array.from({ length: 2001 }, (_, index) => [`f${index}`, Buffer.alloc(0)]),
    );
    expect(() => validateConfigFiles(many)).toThrow(tooLarge);
    expect(() => validateConfigFiles({ big: Buffer.alloc(33 * 1024 * 1024) })).toThrow(tooLarge);
  });
});
