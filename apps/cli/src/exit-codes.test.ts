import { ProvisionerError } from "@molecule-ai/core";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { EXIT, exitCodeOf, OUTCOMES } from "./exit-codes.js";

const ROOT = join(import.meta.dirname, "../../..");

/** Every `"ERR_…"` literal in what the program is made of, and in the server it may ask. */
function codesInSources(): string[] {
  const codes = new Set<string>();
  const packages = readdirSync(join(ROOT, "packages")).filter((name) => name !== "testkit");
  for (const folder of [...packages.map((name) => `packages/${name}`), "apps/cli", "apps/server"]) {
    const source = join(ROOT, folder, "src");
    for (const entry of readdirSync(source, { recursive: true, encoding: "utf8" })) {
      if (!entry.endsWith(".ts") || entry.endsWith(".test.ts")) continue;
      const text = readFileSync(join(source, entry), "utf8");
      for (const [, code] of text.matchAll(/"(ERR_[A-Z0-9_]*[A-Z0-9])"/g)) codes.add(code ?? "");
    }
  }
  return [...codes].sort();
}

describe("exit codes", () => {
  it("has an outcome for every error code in the sources, and for no other", () => {
    const known = Object.keys(OUTCOMES).sort();
    const inSources = codesInSources();
    expect(inSources.length).toBeGreaterThan(50);
    expect(known).toEqual(inSources);
  });

  it.each([
    ["ERR_INTERNAL", 1],
    ["ERR_CLI_USAGE", 2],
    ["ERR_WORKSPACE_ENV_RESERVED", 2],
    ["ERR_CLI_TIER_REFUSED", 3],
    ["ERR_HOST_CONFIG_PATH_FORBIDDEN", 3],
    ["ERR_CLI_WORKSPACE_NOT_FOUND", 4],
    ["ERR_RUNTIME_UNKNOWN", 4],
    ["ERR_DEADLINE", 124],
    ["ERR_WORKSPACE_NOT_READY", 124],
    ["ERR_CLI_INTERRUPTED", 130],
    ["ERR_ABORTED", 130],
    ["ERR_OF_ANOTHER_VERSION", 1],
    ["toString", 1],
  ])("%s ends the program with %i", (code, exitCode) => {
    expect(exitCodeOf(new ProvisionerError(code, "it failed"))).toBe(exitCode);
  });

  it("takes the exit code of what struck, when the error only says where", () => {
    const head = (cause: unknown) =>
      new ProvisionerError("ERR_LOCAL_BUILD_HEAD", "no head", { cause });
    expect(exitCodeOf(head(new ProvisionerError("ERR_GITEA_NOT_FOUND", "no repo")))).toBe(4);
    expect(exitCodeOf(head(new ProvisionerError("ERR_DEADLINE", "late")))).toBe(124);
    expect(exitCodeOf(head(new Error("else")))).toBe(EXIT.failed);
    expect(exitCodeOf(head(undefined))).toBe(EXIT.failed);
  });

  it("calls what is not one of our errors a failure", () => {
    expect(exitCodeOf(new Error("x"))).toBe(1);
    expect(exitCodeOf("x")).toBe(1);
  });
});
