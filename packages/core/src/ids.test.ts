import { expect, it } from "vitest";
import { createWorkspaceId, deriveInstallId, isInstallId } from "./ids.js";

it("workspace ids are lower-case UUIDs and differ", () => {
  const id = createWorkspaceId();
  expect(id).toMatch(/^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/);
  expect(createWorkspaceId()).not.toBe(id);
});

it("derived install ids are stable, valid and differ by engine and by user", () => {
  const id = deriveInstallId("ENGINE", "alice");
  expect(id).toMatch(/^cli-[0-9a-f]{12}$/);
  expect(deriveInstallId("ENGINE", "alice")).toBe(id);
  expect(isInstallId(id)).toBe(true);
  expect(deriveInstallId("ENGINE", "bob")).not.toBe(id);
  expect(deriveInstallId("OTHER", "alice")).not.toBe(id);
});

it.each(["", "-a", "a-", "A", "a b", "a/b", "x".repeat(64)])("%j is no install id", (text) => {
  expect(isInstallId(text)).toBe(false);
});

it.each(["a", "a1", "team.prod_1-x", "x".repeat(63)])("%j is an install id", (text) => {
  expect(isInstallId(text)).toBe(true);
});
