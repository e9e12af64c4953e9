import { workspaceVolumeName } from "@molecule-ai/host-config";
import { describe, expect, it } from "vitest";
import {
  claudeSessionVolumeName,
  configVolumeName,
  containerName,
  internalUrl,
  nextContainerName,
  previousContainerName,
  validateWorkspaceId,
} from "./names.js";

const CUT = [
  ["short", "short"],
  ["exactly12ch", "exactly12ch"],
  ["longer-than-twelve-characters", "longer-than-"],
  ["abc", "abc"],
] as const;

describe("names", () => {
  it.each(CUT)("cuts the id %s to twelve characters in names", (id, cut) => {
    expect(containerName(id)).toBe(`ws-${cut}`);
    expect(configVolumeName(id)).toBe(`ws-${cut}-configs`);
    expect(claudeSessionVolumeName(id)).toBe(`ws-${cut}-claude-sessions`);
    expect(claudeSessionVolumeName(id)).not.toBe(configVolumeName(id));
    expect(internalUrl(id)).toBe(`http://ws-${cut}:8000`);
  });

  it("keeps the whole id in the workspace volume", () => {
    expect(workspaceVolumeName("longer-than-twelve-characters")).toBe(
      "ws-longer-than-twelve-characters-workspace",
    );
  });

  it("gives the two halves of a swap names of their own", () => {
    const id = "0b1c2d3e-0000-4000-8000-000000000001";
    const names = [containerName(id), nextContainerName(id), previousContainerName(id)];
    expect(new Set(names).size).toBe(3);
  });

  it.each(["a", "0b1c2d3e-4f50-4000-8000-000000000001", "A_b.c-d", "x".repeat(128)])(
    "takes the id %s",
    (id) => expect(() => validateWorkspaceId(id)).not.toThrow(),
  );

  it.each(["", "-a", ".a", "a/b", "a b", "../x", "a\n", "ä", "x".repeat(129)])(
    "refuses the id %j",
    (id) =>
      expect(() => validateWorkspaceId(id)).toThrow(
        expect.objectContaining({ code: "ERR_WORKSPACE_ID_INVALID" }),
      ),
  );
});
